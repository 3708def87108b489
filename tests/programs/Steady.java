import java.util.ArrayDeque;

/**
 * Healthy: a collected heap with a live set of a fixed size and much garbage around it.
 *
 * <p>{@code java Steady LIVE_MIB GARBAGE_MIB_PER_S}: a queue of blocks that is full after a few
 * seconds; from then on each new block pushes the oldest out.
 */
public final class Steady {
    private static final int BLOCK = 4096;

    public static void main(String[] args) throws InterruptedException {
        double blocksMax = Double.parseDouble(args[0]) * (1 << 20) / BLOCK;
        double blocksPerS = Double.parseDouble(args[1]) * (1 << 20) / BLOCK;
        ArrayDeque<byte[]> live = new ArrayDeque<>();
        long started = System.nanoTime();
        double made = 0;
        while (true) {
            double wanted = blocksPerS * (System.nanoTime() - started) / 1e9;
            for (; made < wanted; made++) {
                live.addLast(new byte[BLOCK]);
                if (live.size() > blocksMax) {
                    live.removeFirst();
                }
            }
            Thread.sleep(20);
        }
    }
}
