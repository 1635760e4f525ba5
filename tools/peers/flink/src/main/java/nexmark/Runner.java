package nexmark;

import com.sun.management.OperatingSystemMXBean;
import java.io.InputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.lang.management.ManagementFactory;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.Schema;
import org.apache.flink.table.api.Table;
import org.apache.flink.table.api.TableDescriptor;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/**
 * Runs one query in this JVM and prints one line of JSON.
 *
 * <pre>
 *   Runner --query q5 --count 10000000 --event-rate 100000 --parallelism 2 [--state-backend rocksdb]
 *          [--checkpoint-interval 1000 --checkpoint-dir DIR] [--warm-up 1000000]
 *   Runner --query q5 ... --collect FILE [--events FILE]
 * </pre>
 *
 * With --collect the changelog is written as CSV (kind first); otherwise rows go to a blackhole. With
 * --events the events are read from JSON lines, element by element: a watermark after each of them and
 * neither mini-batches nor aggregates in two phases, which would both change what counts as late.
 */
public final class Runner {
  private static final DateTimeFormatter SECONDS = DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss");

  private final Map<String, String> arguments = new HashMap<>();

  public static void main(String[] words) throws Exception {
    new Runner(words).run();
    // Threads of the mini cluster may live on.
    System.exit(0);
  }

  private Runner(String[] words) {
    for (int i = 0; i + 1 < words.length; i += 2) {
      arguments.put(words[i].substring(2), words[i + 1]);
    }
  }

  private void run() throws Exception {
    long count = Long.parseLong(arguments.getOrDefault("count", "0"));
    if (arguments.containsKey("collect")) {
      collect(count, Path.of(arguments.get("collect")));
      return;
    }
    long warmUp = Long.parseLong(arguments.getOrDefault("warm-up", "0"));
    if (warmUp > 0) {
      measure(warmUp);
    }
    long cpuBefore = processCpuNanos();
    long millis = measure(count);
    double cpuSeconds = (processCpuNanos() - cpuBefore) * 1e-9;
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    out.printf(
        "{\"query\":\"%s\",\"events\":%d,\"seconds\":%.3f,\"cpu_seconds\":%.3f,"
            + "\"peak_memory_bytes\":%d}%n",
        arguments.get("query"), count, millis * 1e-3, cpuSeconds, peakMemoryBytes());
  }

  /** Milliseconds the job ran, planning and deployment not counted. */
  private long measure(long count) throws Exception {
    StreamTableEnvironment tables = createTables(count);
    Table result = tables.sqlQuery(resource("queries/" + arguments.get("query") + ".sql"));
    Schema schema =
        Schema.newBuilder()
            .fromRowDataType(result.getResolvedSchema().toPhysicalRowDataType())
            .build();
    tables.createTemporaryTable("sink", TableDescriptor.forConnector("blackhole").schema(schema).build());
    TableResult running = result.insertInto("sink").execute();
    return running.getJobClient().orElseThrow().getJobExecutionResult().get().getNetRuntime();
  }

  private void collect(long count, Path file) throws Exception {
    StreamTableEnvironment tables = createTables(count);
    String query = resource("queries/" + arguments.get("query") + ".sql");
    try (PrintWriter out = new PrintWriter(Files.newBufferedWriter(file, StandardCharsets.UTF_8));
        CloseableIterator<Row> rows = tables.executeSql(query).collect()) {
      while (rows.hasNext()) {
        Row row = rows.next();
        out.print(row.getKind().shortString());
        for (int i = 0; i < row.getArity(); i++) {
          out.print(',');
          out.print(cell(row.getField(i)));
        }
        out.print('\n');
      }
    }
  }

  private StreamTableEnvironment createTables(long count) throws Exception {
    int parallelism = Integer.parseInt(arguments.get("parallelism"));
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.createLocalEnvironment(parallelism, configuration(parallelism));
    StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
    String script =
        resource("tables.sql")
            .replaceAll("--[^\n]*", "")
            .replace("${source}", source(count, parallelism));
    for (String statement : script.split(";")) {
      tables.executeSql(statement);
    }
    return tables;
  }

  private String source(long count, int parallelism) {
    if (arguments.containsKey("events")) {
      return "'connector' = 'filesystem', 'path' = 'file://" + arguments.get("events")
          + "', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601'";
    }
    return "'connector' = 'nexmark-events', 'count' = '" + count + "', 'event-rate' = '"
        + arguments.get("event-rate") + "', 'parallelism' = '" + parallelism + "'";
  }

  /** Object reuse, and mini-batches and split distinct counts as in the benchmark's configuration. */
  private Configuration configuration(int parallelism) {
    Configuration configuration = new Configuration();
    configuration.setString("pipeline.object-reuse", "true");
    if (arguments.containsKey("events")) {
      configuration.setString("pipeline.auto-watermark-interval", "0 ms");
      configuration.setString("table.optimizer.agg-phase-strategy", "ONE_PHASE");
    } else {
      configuration.setString("table.exec.mini-batch.enabled", "true");
      configuration.setString("table.exec.mini-batch.allow-latency", "2s");
      configuration.setString("table.exec.mini-batch.size", "50000");
      configuration.setString("table.optimizer.distinct-agg.split.enabled", "true");
    }
    configuration.setString("table.local-time-zone", "UTC");
    configuration.setString("taskmanager.numberOfTaskSlots", Integer.toString(parallelism));
    configuration.setString("state.backend.type", arguments.getOrDefault("state-backend", "hashmap"));
    configuration.setString("taskmanager.memory.managed.size",
        arguments.getOrDefault("managed-memory", "512m"));
    if (arguments.containsKey("checkpoint-interval")) {
      configuration.setString(
          "execution.checkpointing.interval", arguments.get("checkpoint-interval"));
      configuration.setString("execution.checkpointing.mode", "EXACTLY_ONCE");
      configuration.setString("execution.checkpointing.incremental", "true");
      configuration.setString("execution.checkpointing.dir", "file://" + arguments.get("checkpoint-dir"));
    }
    return configuration;
  }

  private static String cell(Object value) {
    if (value instanceof LocalDateTime time) {
      long millis = Math.floorMod(time.toInstant(ZoneOffset.UTC).toEpochMilli(), 1000L);
      return SECONDS.format(time) + (millis == 0 ? "Z" : String.format(".%03dZ", millis));
    }
    if (value instanceof BigDecimal number) {
      return number.toPlainString();
    }
    String text = String.valueOf(value);
    boolean quoted = text.contains(",") || text.contains("\"") || text.contains("\n");
    return quoted ? '"' + text.replace("\"", "\"\"") + '"' : text;
  }

  private static long processCpuNanos() {
    return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
  }

  /** Most resident memory of this process, heap or not. */
  private static long peakMemoryBytes() throws Exception {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmHWM:")) {
        return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
      }
    }
    throw new IllegalStateException("/proc/self/status has no VmHWM");
  }

  private static String resource(String name) throws Exception {
    try (InputStream in = Runner.class.getClassLoader().getResourceAsStream(name)) {
      if (in == null) {
        throw new IllegalArgumentException("no " + name);
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
