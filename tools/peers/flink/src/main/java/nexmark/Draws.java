package nexmark;

/** Random numbers of one event: splitmix64 from a start of the event's own, as in connectors/nexmark. */
final class Draws {
  private static final long GAMMA = 0x9E3779B97F4A7C15L;

  private long state;

  Draws(long seed, long number) {
    restart(seed, number);
  }

  void restart(long seed, long number) {
    state = splitmix(seed + number);
  }

  long next() {
    long result = splitmix(state);
    state += GAMMA;
    return result;
  }

  static long splitmix(long x) {
    x += GAMMA;
    x = (x ^ (x >>> 30)) * 0xBF58476D1CE4E5B9L;
    x = (x ^ (x >>> 27)) * 0x94D049BB133111EBL;
    return x ^ (x >>> 31);
  }

  /** Maps the lower 32 bits to [0, bound). */
  static long belowLow(long bits, long bound) {
    return ((bits & 0xFFFFFFFFL) * bound) >>> 32;
  }

  /** Maps the upper 32 bits to [0, bound). */
  static long belowHigh(long bits, long bound) {
    return ((bits >>> 32) * bound) >>> 32;
  }
}
