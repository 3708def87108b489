// Loses objects of classes with virtual functions, says "ready LOST DIRECT" and waits.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

extern "C" void __lsan_do_leak_check() __attribute__((weak));

namespace shop {
struct Item {
    virtual ~Item() = default;
    virtual int price() const { return 1; }
    long fill[3] = {};
};
struct Book : Item {
    int price() const override { return 2; }
    char title[40] = {};
};
template <class T> struct Boxed : Item {
    int price() const override { return sizeof(T); }
    T value{};
};
struct Order {
    virtual ~Order() = default;
    Item *item = nullptr;
};
}

static std::vector<std::unique_ptr<shop::Item>> kept;
static thread_local std::vector<shop::Item *> own;

static __attribute__((noinline)) void scrub() {
    volatile char stack[64 << 10];
    for (size_t i = 0; i < sizeof stack; i++) stack[i] = 0;
}

template <class T> static T *made() {
    T *volatile object = new T;
    return object;
}

static __attribute__((noinline)) void fill() {
    for (int i = 0; i < 3000; i++) kept.emplace_back(made<shop::Book>());
    for (int i = 0; i < 3000; i++) own.push_back(made<shop::Item>());
    for (int i = 0; i < 4000; i++) made<shop::Book>();
    for (int i = 0; i < 1000; i++) made<shop::Boxed<double>>();
    for (int i = 0; i < 500; i++) made<shop::Order>()->item = made<shop::Item>();
}

int main(int argc, char **) {
    fill();
    scrub();
    std::printf("ready %d %d\n", 6000, 5500);
    std::fflush(stdout);
    // Under a leak checker, which is to look before destructors run.
    if (argc > 3 && __lsan_do_leak_check) __lsan_do_leak_check();
    for (;;) pause();
}
