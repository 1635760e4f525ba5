package nexmark;

import java.nio.charset.StandardCharsets;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.binary.BinaryStringData;

/** What the generator's texts are cut from; the same bytes as connectors/nexmark/generator_texts.cc. */
final class GeneratorTexts {
  static final int HOT_CHANNELS = 4;
  static final int CHANNELS = 10_000;
  private static final long TEXT_SEED = 0x6E65786D61726BL;
  private static final int LETTERS_BYTES = 1 << 20;
  private static final int WORDS_BYTES = 1 << 16;
  private static final int WORD_LENGTH_MIN = 3;
  private static final int BLANK_ONE_IN = 13;
  private static final String[] HOT_NAMES = {"Google", "Facebook", "Baidu", "Apple"};

  private static final GeneratorTexts INSTANCE = new GeneratorTexts();

  private final byte[] letters = new byte[LETTERS_BYTES];
  private final byte[] words = new byte[WORDS_BYTES];
  final StringData[] hotChannels = new StringData[HOT_CHANNELS];
  final StringData[] hotUrls = new StringData[HOT_CHANNELS];
  final StringData[] channels = new StringData[CHANNELS];
  final StringData[] urls = new StringData[CHANNELS];

  static GeneratorTexts instance() {
    return INSTANCE;
  }

  private GeneratorTexts() {
    Draws draws = new Draws(TEXT_SEED, 0);
    for (int i = 0; i < letters.length; i++) {
      letters[i] = (byte) ('a' + Draws.belowLow(draws.next(), 26));
    }
    for (int i = 0; i < words.length; i++) {
      words[i] = (byte) letterOr(' ', draws);
    }
    for (int i = 0; i < HOT_CHANNELS; i++) {
      hotUrls[i] = data(baseUrl(draws));
      hotChannels[i] = data(HOT_NAMES[i]);
    }
    for (int i = 0; i < CHANNELS; i++) {
      String url = baseUrl(draws);
      if (Draws.belowLow(draws.next(), 10) > 0) {
        url += "&channel_id=" + Math.abs((long) Integer.reverse(i));
      }
      urls[i] = data(url);
      channels[i] = data("channel-" + i);
    }
  }

  private static char letterOr(char special, Draws draws) {
    long bits = draws.next();
    return Draws.belowLow(bits, BLANK_ONE_IN) == 0
        ? special
        : (char) ('a' + Draws.belowHigh(bits, 26));
  }

  private static String baseUrl(Draws draws) {
    StringBuilder url = new StringBuilder("https://www.nexmark.com/");
    for (int part = 0; part < 3; part++) {
      long length = WORD_LENGTH_MIN + Draws.belowLow(draws.next(), 5 - WORD_LENGTH_MIN);
      for (long i = 0; i < length; i++) {
        url.append(letterOr('_', draws));
      }
      url.append('/');
    }
    return url.append("item.htm?query=1").toString();
  }

  /** Strings in Flink's own binary form, without a copy. */
  static StringData data(String text) {
    return BinaryStringData.fromBytes(text.getBytes(StandardCharsets.UTF_8));
  }

  StringData padding(long bits, long size) {
    int offset = (int) Draws.belowHigh(bits, letters.length - size);
    return BinaryStringData.fromBytes(letters, offset, (int) size);
  }

  String words(long bits, int lengthMax) {
    int from = (int) Draws.belowHigh(bits, words.length - lengthMax);
    int to = from + (int) (WORD_LENGTH_MIN + Draws.belowLow(bits, lengthMax - WORD_LENGTH_MIN));
    while (from < to && words[from] == ' ') {
      from++;
    }
    while (from < to && words[to - 1] == ' ') {
      to--;
    }
    return new String(words, from, to - from, StandardCharsets.ISO_8859_1);
  }
}
