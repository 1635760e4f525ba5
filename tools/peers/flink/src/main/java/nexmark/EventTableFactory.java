package nexmark;

import java.util.Set;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.connector.datagen.source.DataGeneratorSource;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.connector.source.SourceProvider;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.DataType;

/** 'connector' = 'nexmark-events': the generator as a table. */
public final class EventTableFactory implements DynamicTableSourceFactory {
  static final ConfigOption<Long> COUNT = ConfigOptions.key("count").longType().noDefaultValue();
  static final ConfigOption<Long> RATE = ConfigOptions.key("event-rate").longType().noDefaultValue();
  static final ConfigOption<Integer> PARALLELISM =
      ConfigOptions.key("parallelism").intType().noDefaultValue();

  @Override
  public String factoryIdentifier() {
    return "nexmark-events";
  }

  @Override
  public Set<ConfigOption<?>> requiredOptions() {
    return Set.of(COUNT, RATE, PARALLELISM);
  }

  @Override
  public Set<ConfigOption<?>> optionalOptions() {
    return Set.of();
  }

  @Override
  public DynamicTableSource createDynamicTableSource(Context context) {
    FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
    helper.validate();
    return new EventTable(
        context.getPhysicalRowDataType(),
        helper.getOptions().get(COUNT),
        helper.getOptions().get(RATE),
        helper.getOptions().get(PARALLELISM));
  }

  private record EventTable(DataType type, long count, long rate, int parallelism)
      implements ScanTableSource {
    @Override
    public ChangelogMode getChangelogMode() {
      return ChangelogMode.insertOnly();
    }

    @Override
    public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
      TypeInformation<RowData> rows = context.createTypeInformation(type);
      return SourceProvider.of(
          new DataGeneratorSource<>(new EventGenerator(count, parallelism, rate), count, rows));
    }

    @Override
    public DynamicTableSource copy() {
      return this;
    }

    @Override
    public String asSummaryString() {
      return "nexmark-events";
    }
  }
}
