package nexmark;

/** 100 * 10^(6u) by a table and straight lines, as in connectors/nexmark. */
final class Prices {
  private static final int STEP_BITS = 10;
  private static final int SCALE_BITS = 16;
  private static final double STEP_FACTOR = 1.0135831333340657;
  private static final long[] TABLE = new long[(1 << STEP_BITS) + 1];

  static {
    double price = 100.0;
    for (int i = 0; i < TABLE.length; i++) {
      TABLE[i] = (long) (price * (1 << SCALE_BITS) + 0.5);
      price *= STEP_FACTOR;
    }
  }

  private Prices() {}

  static long at(long bits) {
    int step = (int) (bits >>> (64 - STEP_BITS));
    long fraction = (bits >>> (40 - STEP_BITS)) & 0xFFFFFF;
    long scaled = TABLE[step] + (((TABLE[step + 1] - TABLE[step]) * fraction) >> 24);
    return (scaled + (1L << (SCALE_BITS - 1))) >> SCALE_BITS;
  }
}
