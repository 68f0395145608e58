//! The program `knee-run`: the library does everything.

fn main() -> std::process::ExitCode {
    knee_run::main(std::env::args_os().skip(1).collect()).into()
}
