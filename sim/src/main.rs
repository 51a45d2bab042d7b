//! Runs simulations from a seed: `cargo run -- [seed] [steps]`. Same seed, same bytes.

mod deliveries;
mod faults;
mod objects;

fn main() {
    let mut arguments =
        std::env::args().skip(1).map(|text| text.parse::<u64>().expect("seed and steps are numbers"));
    let seed = arguments.next().unwrap_or(1);
    let steps = arguments.next().unwrap_or(2_000);
    println!("deliveries: {}", deliveries::run(seed, steps));
    println!("objects: {}", objects::run(seed, steps));
}
