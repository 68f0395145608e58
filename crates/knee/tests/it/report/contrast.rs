//! Every colour of text is readable on its ground, in both schemes: WCAG 2.2, success criterion
//! 1.4.3 asks for a contrast of at least 4.5
//! (<https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>).

/// The colours of a page's scheme, by name; the light one stands first, the dark one second.
fn scheme(page: &str, index: usize) -> impl Fn(&str) -> [f64; 3] {
    let block = page.split(":root {").nth(index + 1).unwrap();
    let block = block.split('}').next().unwrap().to_string();
    move |name| {
        let hex = block.split(&format!("--{name}: #")).nth(1).unwrap();
        [0, 2, 4].map(|i| f64::from(u8::from_str_radix(&hex[i..i + 2], 16).unwrap()) / 255.0)
    }
}

fn luminance(colour: [f64; 3]) -> f64 {
    let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
    let [r, g, b] = colour.map(linear);
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// A colour laid over another, as `color-mix` and `opacity` do.
fn mixed(colour: [f64; 3], ground: [f64; 3], share: f64) -> [f64; 3] {
    [0, 1, 2].map(|i| colour[i] * share + ground[i] * (1.0 - share))
}

#[test]
fn text_can_be_read_in_both_schemes() {
    let page = knee::report::html(&[]);
    for (index, name) in ["light", "dark"].into_iter().enumerate() {
        let colour = scheme(&page, index);
        let (bg, panel) = (colour("bg"), colour("panel"));
        let shades = [bg, mixed(colour("best"), bg, 0.09), mixed(colour("ink"), bg, 0.055)];
        let mut pairs = vec![
            ("a tip", bg, colour("ink")),
            ("an added line", colour("good"), mixed(colour("good"), panel, 0.11)),
            ("a removed line", colour("bad"), mixed(colour("bad"), panel, 0.09)),
            ("a diff", colour("ink"), panel),
            ("a diff's place", colour("soft"), panel),
        ];
        for text in ["ink", "soft", "best", "today", "goal", "bad"] {
            pairs.extend(shades.map(|ground| (text, colour(text), ground)));
        }
        for (what, text, ground) in pairs {
            let contrast = contrast(text, ground);
            assert!(contrast >= 4.5, "{what}, {name}: {contrast:.2}");
        }
    }
}
