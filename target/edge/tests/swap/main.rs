//! Programs that really replace each other: this one plays the old one and the new one. The snapshot says what the new one
//! does; what it finds is compared with what the old one left.
#[cfg(target_os = "linux")]
mod play;
#[cfg(target_os = "linux")]
mod rehearsal;
#[cfg(target_os = "linux")]
mod stage;
#[cfg(target_os = "linux")]
mod sys;

#[cfg(target_os = "linux")]
fn main() {
    // The first act.
    let handover = mainstay_edge::swap::inherited();
    let words: Vec<String> = std::env::args().collect();
    if let [_, first, what] = &words[..]
        && first == "rehearse"
    {
        rehearsal::act(what);
    } else if handover.is_none() && std::env::var_os(play::PLAY).is_none() {
        stage::run();
    } else {
        play::act(handover);
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("test result: ok. 0 passed; 0 failed; 1 ignored");
}
