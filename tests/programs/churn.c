/* Healthy: a batch worker whose memory rises and falls, and always back to the same floor.
 *
 *     churn FLOOR_MIB SWING_MIB PERIOD_S
 *
 * In each period it takes blocks of many sizes until it holds SWING_MIB more, then frees all. None
 * is so small that glibc would keep it in the thread's own list, at the top of the heap.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCKS_MAX = 1 << 16 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fputs("churn FLOOR_MIB SWING_MIB PERIOD_S\n", stderr);
        return 2;
    }
    size_t floor_bytes = strtoul(argv[1], NULL, 10) << 20;
    double swing = atof(argv[2]) * (1 << 20), period = atof(argv[3]), started = now();
    char *held_for_good = malloc(floor_bytes);
    if (held_for_good == NULL)
        return 1;
    memset(held_for_good, 0x5a, floor_bytes);

    static void *blocks[BLOCKS_MAX];
    size_t count = 0;
    double held = 0;
    srand(1);
    for (;; usleep(20000)) {
        double wanted = swing * fmod(now() - started, period) / period;
        if (wanted < held - swing / 2) {
            while (count > 0)
                free(blocks[--count]);
            held = 0;
        }
        while (held < wanted && count < BLOCKS_MAX) {
            size_t bytes = 2048 + (size_t)rand() % 30720;
            blocks[count] = malloc(bytes);
            if (blocks[count] == NULL)
                return 1;
            memset(blocks[count++], 0x5a, bytes);
            held += (double)bytes;
        }
    }
}
