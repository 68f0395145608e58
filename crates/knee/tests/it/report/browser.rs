//! The report in a headless Chromium: no complaint in its console, in both colour schemes, and a
//! layout that holds on a wide and on a narrow screen.

use crate::samples;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Screens: the usual desktop, and a phone.
const WIDTHS: [u32; 2] = [1200, 400];

/// A colour scheme as Chromium's `preferredColorScheme` counts them.
#[derive(Clone, Copy, PartialEq)]
enum Scheme {
    Dark = 0,
    Light = 1,
}

/// Opens a page; returns its document after its scripts ran, and what its console said.
fn open(page: &Path, scheme: Scheme, extra: &[String]) -> (String, Vec<String>) {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new("timeout")
        .args(["120", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--hide-scrollbars", "--virtual-time-budget=10000", "--enable-logging=stderr"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--blink-settings=preferredColorScheme={}", scheme as u8))
        .args(extra)
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("chromium, which scripts/setup --browser installs");
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "chromium ended with {}: {talk}", output.status);
    let console = talk.lines().filter(|line| line.contains(":CONSOLE")).map(String::from).collect();
    (String::from_utf8(output.stdout).unwrap(), console)
}

/// Pages stay in `target/tmp/report`, for people to look at.
fn written(name: &str, page: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.html"));
    std::fs::write(&path, page).unwrap();
    path
}

#[test]
fn it_opens_in_both_schemes_without_a_complaint() {
    let page = written("gain", &knee::report::html(&samples::all()[0].events));
    let seen = [Scheme::Light, Scheme::Dark].map(|scheme| {
        let picture = page.with_extension(format!("{}.png", scheme as u8));
        let shot = format!("--screenshot={}", picture.display());
        let (_, console) = open(&page, scheme, &[shot, "--window-size=1200,3000".into()]);
        assert!(console.is_empty(), "{console:?}");
        std::fs::read(picture).unwrap()
    });
    assert!(seen.iter().all(|png| png.len() > 50_000) && seen[0] != seen[1]);
}

/// Measures every page in a frame of each width, and gives each to the browser's XML parser.
const PROBE: &str = r#"
const overlap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
  && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
function faults(frame) {
  const page = frame.contentDocument, root = page.documentElement, found = [];
  if (root.scrollWidth > frame.clientWidth) found.push(`wider than its screen: ${root.scrollWidth}`);
  for (const chart of page.querySelectorAll(".chart")) {
    const texts = [...chart.querySelectorAll("text")].map((t) => [t.textContent, t.getBoundingClientRect()])
      .filter(([, box]) => box.width > 0);
    for (const [i, [text, box]] of texts.entries()) {
      if (box.left < 0 || box.right > frame.clientWidth) found.push(`cut off: ${text}`);
      for (const [other, over] of texts.slice(i + 1))
        if (overlap(box, over)) found.push(`one on the other: ${text}, ${other}`);
    }
  }
  return found;
}
onload = async () => {
  const said = [];
  for (const [name, source] of PAGES) {
    const strict = new DOMParser().parseFromString(source, "application/xhtml+xml");
    if (strict.querySelector("parsererror")) said.push(`${name}: ${strict.documentElement.textContent}`);
    for (const width of WIDTHS) {
      const frame = document.createElement("iframe");
      frame.style.width = width + "px";
      frame.style.border = 0;
      frame.srcdoc = source;
      await new Promise((loaded) => { frame.onload = loaded; document.body.append(frame); });
      said.push(...faults(frame).map((fault) => `${name} at ${width}: ${fault}`));
      said.push(`${getComputedStyle(frame.contentDocument.body).backgroundColor} seen`);
      frame.remove();
    }
  }
  document.body.textContent = said.join("\n");
};
"#;

/// Opens a page that lies somewhere in both schemes; no complaint.
pub fn quiet(page: &Path) {
    for scheme in [Scheme::Light, Scheme::Dark] {
        let (_, console) = open(page, scheme, &["--dump-dom".into()]);
        assert!(console.is_empty(), "{console:?}");
    }
}

#[test]
fn every_page_is_strict_markup_and_keeps_its_layout() {
    let pages: Vec<(&str, String)> = samples::all()
        .iter()
        .map(|sample| (sample.name, knee::report::html(&sample.events)))
        .collect();
    pages.iter().for_each(|(name, page)| drop(written(name, page)));
    let pages = serde_json::to_string(&pages).unwrap().replace('<', "\\u003c");
    let probe = format!(
        "<!DOCTYPE html><meta charset=utf-8><meta name=color-scheme content='light dark'>\
         <body><script>const WIDTHS = {WIDTHS:?}, PAGES = {pages};{PROBE}</script>"
    );
    let path = written("probe", &probe);
    for (scheme, background) in
        [(Scheme::Light, "rgb(255, 255, 255)"), (Scheme::Dark, "rgb(18, 21, 25)")]
    {
        let (document, console) =
            open(&path, scheme, &["--dump-dom".into(), "--window-size=1300,900".into()]);
        assert!(console.is_empty(), "{console:?}");
        let said = document.split("<body>").nth(1).unwrap().split("</body>").next().unwrap();
        let (seen, faults): (Vec<&str>, Vec<&str>) =
            said.lines().partition(|l| l.ends_with(" seen"));
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        let expected = samples::all().len() * WIDTHS.len();
        assert_eq!(seen, vec![format!("{background} seen"); expected]);
    }
}
