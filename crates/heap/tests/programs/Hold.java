import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;

/**
 * Keeps 40 MiB, collects, and says for each line on its standard input what the JVM says: what the
 * old generation held after the collection, its maximum, threads, classes.
 */
public final class Hold {
    private static final List<byte[]> KEPT = new ArrayList<>();

    public static void main(String[] args) throws java.io.IOException {
        for (int i = 0; i < 40_000; i++) {
            KEPT.add(new byte[1024]);
        }
        System.gc();
        while (System.in.read() >= 0) {
            long used = 0;
            long max = 0;
            for (var pool : ManagementFactory.getMemoryPoolMXBeans()) {
                if (pool.getName().equals("Tenured Gen")) {
                    used = pool.getCollectionUsage().getUsed();
                    max = pool.getCollectionUsage().getMax();
                }
            }
            int threads = ManagementFactory.getThreadMXBean().getThreadCount();
            System.out.println(used + " " + max + " " + threads);
        }
    }
}
