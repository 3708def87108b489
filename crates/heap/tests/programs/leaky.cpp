// Makes and destroys objects without end, and loses one of every so many at one place.
//
//   leaky LOSE_ONE_IN
//
// Some 100,000 objects a second. Says "ready".
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

namespace shop {

struct Order {
    std::string customer;
    std::vector<int> lines;
};

struct Desk {
    std::map<int, std::unique_ptr<Order>> open;

    __attribute__((noinline)) Order *take(int number) {
        auto order = std::make_unique<Order>();
        order->customer = "a customer with a name too long to be kept inside";
        order->lines.assign(1 + number % 40, number);
        Order *taken = order.get();
        open[number % 300] = std::move(order);
        return taken;
    }

    __attribute__((noinline)) void forget(int number) {
        // The bug: whoever calls release() has to delete.
        auto found = open.find(number % 300);
        if (found != open.end()) found->second.release();
        open.erase(number % 300);
    }
};

}  // namespace shop

int main(int argc, char **argv) {
    int lose_one_in = argc > 1 ? atoi(argv[1]) : 100;
    shop::Desk desk;
    printf("ready\n");
    fflush(stdout);
    for (int i = 0;; i++) {
        desk.take(i);
        if (i % lose_one_in == 0) desk.forget(i);
        if (i % 100 == 0) usleep(2500);
    }
}
