/* Holds COUNT mappings of one page each that the kernel cannot join, touches every tenth, and waits
 * until its input ends.
 *
 *     mappings COUNT */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 0;
    char *all = mmap(NULL, (size_t)count * 4096, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED)
        return 1;
    long made = 0;
    for (long i = 0; i < count; i += 2, made += 2)
        if (mprotect(all + i * 4096, 4096, PROT_READ) != 0)
            break; /* the kernel's limit of mappings */
    for (long i = 1; i < made; i += 10)
        all[i * 4096] = 1;
    char line[16];
    if (write(1, "ready\n", 6) != 6)
        return 1;
    while (read(0, line, sizeof line) > 0)
        ;
    return 0;
}
