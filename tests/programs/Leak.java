import java.util.ArrayList;
import java.util.List;

/**
 * Keeps ever more objects in a static list, until the kernel ends it or the heap is full.
 *
 * <p>{@code java Leak SHAPE KIB_PER_S QUIET_S PERIOD_S}: linear or stair, as in leak.c. The teeth of
 * the saw are the collector's: for each block that is kept eight are dropped.
 */
public final class Leak {
    private static final int BLOCK = 1024;
    private static final int DROPPED_PER_KEPT = 8;
    private static final List<byte[]> KEPT = new ArrayList<>();
    private static byte[] last;

    public static void main(String[] args) throws InterruptedException {
        boolean stair = args[0].equals("stair");
        double kibPerS = Double.parseDouble(args[1]);
        double quietS = Double.parseDouble(args[2]);
        double periodS = Double.parseDouble(args[3]);
        long started = System.nanoTime();
        double dropped = 0;
        while (true) {
            double seconds = (System.nanoTime() - started) / 1e9;
            double age = Math.max(seconds - quietS, 0);
            double wanted = kibPerS * (stair ? age - age % periodS : age);
            while (KEPT.size() < wanted) {
                KEPT.add(new byte[BLOCK]);
            }
            for (; dropped < kibPerS * seconds * DROPPED_PER_KEPT; dropped++) {
                last = new byte[BLOCK];
            }
            Thread.sleep(50);
        }
    }
}
