//! The program: the door does everything.

fn main() -> std::process::ExitCode {
    knee::main()
}
