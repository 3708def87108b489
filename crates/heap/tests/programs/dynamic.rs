//! Loses boxed trait objects, says "ready LOST DIRECT" and waits.

trait Shape {
    fn area(&self) -> u64;
}

struct Square {
    side: [u64; 4],
}

struct Circle {
    radius: [u64; 9],
}

impl Drop for Square {
    fn drop(&mut self) {
        std::hint::black_box(self.side[0]);
    }
}

impl Drop for Circle {
    fn drop(&mut self) {
        std::hint::black_box(self.radius[0]);
    }
}

impl Shape for Square {
    fn area(&self) -> u64 {
        self.side[0]
    }
}

impl Shape for Circle {
    fn area(&self) -> u64 {
        self.radius[0]
    }
}

#[inline(never)]
fn lose() {
    let mut shapes: Vec<Box<dyn Shape>> = Vec::with_capacity(2000);
    for _ in 0..1000 {
        shapes.push(Box::new(Square { side: [1; 4] }));
        shapes.push(Box::new(Circle { radius: [1; 9] }));
    }
    std::hint::black_box(shapes.iter().map(|shape| shape.area()).sum::<u64>());
    std::mem::forget(shapes);
}

#[inline(never)]
fn scrub() {
    std::hint::black_box([0_u8; 64 << 10]);
}

fn main() {
    lose();
    scrub();
    println!("ready 2001 1");
    loop {
        std::thread::park();
    }
}
