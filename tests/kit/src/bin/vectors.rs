//! The Rust half of `make vectors`: one line for each topic, failure on any miss and on a topic that nobody knows.

use std::process::ExitCode;

use trimtab_kit::vectors;

fn main() -> ExitCode {
    let directory = vectors::directory();
    let topics = match vectors::topics_of(&directory) {
        Ok(topics) => topics,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let mut good = true;
    for (topic, file) in topics {
        match vectors::run(&topic, &file) {
            Ok(tally) => {
                println!("rust {topic}: {}/{}", tally.passed, tally.total());
                good &= tally.missed.is_empty();
                for (id, why) in tally.missed.iter().take(5) {
                    eprintln!("  {id}: {why}");
                }
            }
            Err(why) => {
                eprintln!("{why}");
                good = false;
            }
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
