package nexmark;

import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.connector.datagen.source.GeneratorFunction;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;

/**
 * The events of connectors/nexmark/event_generator.cc as rows (event_type, person, auction, bid).
 *
 * <p>The source that calls this hands out ranges of positions, one per subtask; here they become the
 * blocks that the subtask is dealt in turn, so that all subtasks move through event time side by side.
 */
final class EventGenerator implements GeneratorFunction<Long, RowData> {
  static final long BLOCK_EVENTS = 1000;
  private static final long GROUP = 50;
  private static final long AUCTIONS = 3;
  private static final long BIDS_FROM = 4;
  private static final long FIRST_ID = 1000;
  private static final long FIRST_CATEGORY = 10;
  private static final long HOT_SPAN = 100;
  private static final long IN_FLIGHT = 100;
  private static final long ACTIVE_PEOPLE = 1000;
  private static final long ID_LEAD = 10;
  private static final StringData[] STATES = all("AZ", "CA", "ID", "OR", "WA", "WY");
  private static final StringData[] CITIES =
      all("Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond",
          "Seattle", "Kent", "Cheyenne");
  private static final String[] FIRST_NAMES = {
    "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"
  };
  private static final String[] LAST_NAMES = {
    "Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"
  };

  private final long count;
  private final int parallelism;
  private final long baseTime;
  private final double microseconds;
  private transient GeneratorTexts texts;
  private transient Draws draws;

  EventGenerator(long count, int parallelism, long eventRate) {
    if (count % (parallelism * BLOCK_EVENTS) != 0) {
      throw new IllegalArgumentException(
          "the number of events must be a multiple of " + parallelism * BLOCK_EVENTS);
    }
    this.count = count;
    this.parallelism = parallelism;
    this.baseTime = 1_436_918_400_000L;
    this.microseconds = 1_000_000.0 / (double) eventRate;
  }

  @Override
  public void open(SourceReaderContext context) {
    texts = GeneratorTexts.instance();
    draws = new Draws(0, 0);
  }

  @Override
  public RowData map(Long position) {
    long share = count / parallelism;
    long subtask = position / share;
    long offset = position % share;
    long block = offset / BLOCK_EVENTS * parallelism + subtask;
    return event(block * BLOCK_EVENTS + offset % BLOCK_EVENTS);
  }

  private RowData event(long number) {
    draws.restart(0, number);
    long place = number % GROUP;
    if (place >= BIDS_FROM) {
      return GenericRowData.of(2, null, null, bid(number));
    }
    if (place > 0) {
      return GenericRowData.of(1, null, auction(number), null);
    }
    return GenericRowData.of(0, person(number), null, null);
  }

  private long time(long number) {
    return baseTime + (long) ((double) number * microseconds) / 1000;
  }

  private static long lastPerson(long number) {
    return number / GROUP;
  }

  private static long lastAuction(long number) {
    long group = number / GROUP;
    long place = number % GROUP;
    if (place >= BIDS_FROM) {
      return group * AUCTIONS + AUCTIONS - 1;
    }
    return place == 0 ? group * AUCTIONS - 1 : group * AUCTIONS + place - 1;
  }

  private static long activePerson(long number, long bits) {
    long people = lastPerson(number) + 1;
    long active = Math.min(people, ACTIVE_PEOPLE);
    return people - active + Draws.belowHigh(bits, active + ID_LEAD);
  }

  private static long auctionInFlight(long number, long bits) {
    long newest = lastAuction(number);
    long oldest = Math.max(newest - IN_FLIGHT, 0);
    return oldest + Draws.belowHigh(bits, newest - oldest + 1 + ID_LEAD);
  }

  private static long hot(long newest) {
    return newest / HOT_SPAN * HOT_SPAN;
  }

  private StringData padding(long bits, long used, long mean) {
    if (used > mean) {
      return StringData.fromString("");
    }
    long missing = mean - used;
    long spread = (missing * 2 + 5) / 10;
    long size = missing - spread + (spread == 0 ? 0 : Draws.belowLow(bits, 2 * spread));
    return texts.padding(bits, size);
  }

  private RowData bid(long number) {
    long auctionBits = draws.next();
    long auction =
        FIRST_ID
            + (Draws.belowLow(auctionBits, 2) > 0
                ? hot(lastAuction(number))
                : auctionInFlight(number, auctionBits));
    long bidderBits = draws.next();
    long bidder =
        FIRST_ID
            + (Draws.belowLow(bidderBits, 4) > 0
                ? hot(lastPerson(number)) + 1
                : activePerson(number, bidderBits));
    long price = Prices.at(draws.next());
    long channelBits = draws.next();
    StringData channel;
    StringData url;
    if (Draws.belowLow(channelBits, 2) > 0) {
      int i = (int) Draws.belowHigh(channelBits, GeneratorTexts.HOT_CHANNELS);
      channel = texts.hotChannels[i];
      url = texts.hotUrls[i];
    } else {
      int i = (int) Draws.belowHigh(channelBits, GeneratorTexts.CHANNELS);
      channel = texts.channels[i];
      url = texts.urls[i];
    }
    StringData extra = padding(draws.next(), 32, 100);
    return GenericRowData.of(
        auction, bidder, price, channel, url, TimestampData.fromEpochMillis(time(number)), extra);
  }

  private RowData auction(long number) {
    long sellerBits = draws.next();
    long seller =
        FIRST_ID
            + (Draws.belowLow(sellerBits, 4) > 0
                ? hot(lastPerson(number))
                : activePerson(number, sellerBits));
    long initialBid = Prices.at(draws.next());
    long reserve = initialBid + Prices.at(draws.next());
    long start = time(number);
    long horizon = time(number + IN_FLIGHT * GROUP / AUCTIONS) - start;
    long bits = draws.next();
    long category = FIRST_CATEGORY + Draws.belowLow(bits, 5);
    long expires = start + 1 + Draws.belowHigh(bits, Math.max(horizon * 2, 1));
    String name = texts.words(draws.next(), 20);
    String description = texts.words(draws.next(), 100);
    StringData extra = padding(draws.next(), 48 + name.length() + description.length(), 500);
    return GenericRowData.of(
        FIRST_ID + lastAuction(number),
        GeneratorTexts.data(name),
        GeneratorTexts.data(description),
        initialBid,
        reserve,
        TimestampData.fromEpochMillis(start),
        TimestampData.fromEpochMillis(expires),
        seller,
        category,
        extra);
  }

  private RowData person(long number) {
    long nameBits = draws.next();
    String name =
        FIRST_NAMES[(int) Draws.belowLow(nameBits, FIRST_NAMES.length)]
            + " "
            + LAST_NAMES[(int) Draws.belowHigh(nameBits, LAST_NAMES.length)];
    String mailbox = texts.words(draws.next(), 7);
    String email = mailbox + "@" + texts.words(draws.next(), 5) + ".com";
    StringBuilder card = new StringBuilder(19);
    for (int group = 0; group < 4; group++) {
      long digits = Draws.belowLow(draws.next(), 10_000);
      card.append(group > 0 ? " " : "");
      card.append((char) ('0' + digits / 1000)).append((char) ('0' + digits / 100 % 10));
      card.append((char) ('0' + digits / 10 % 10)).append((char) ('0' + digits % 10));
    }
    long placeBits = draws.next();
    StringData city = CITIES[(int) Draws.belowLow(placeBits, CITIES.length)];
    StringData state = STATES[(int) Draws.belowHigh(placeBits, STATES.length)];
    long used =
        8 + name.length() + email.length() + card.length() + length(city) + length(state);
    StringData extra = padding(draws.next(), used, 200);
    return GenericRowData.of(
        FIRST_ID + lastPerson(number),
        GeneratorTexts.data(name),
        GeneratorTexts.data(email),
        GeneratorTexts.data(card.toString()),
        city,
        state,
        TimestampData.fromEpochMillis(time(number)),
        extra);
  }

  private static int length(StringData text) {
    return text.toString().length();
  }

  private static StringData[] all(String... texts) {
    StringData[] result = new StringData[texts.length];
    for (int i = 0; i < texts.length; i++) {
      result[i] = GeneratorTexts.data(texts[i]);
    }
    return result;
  }
}
