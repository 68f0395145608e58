//! JSON, with comments and trailing commas as people leave them in, as nodes that know their bytes.

use super::FormatError;
use crate::text::Position;
use jsonc_parser::ast::Value;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use std::borrow::Cow;

/// The text with blanks for its byte-order mark, which the parser takes for a token: every byte
/// keeps its place.
pub(super) fn unmarked(text: &str) -> Cow<'_, str> {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => format!("   {rest}").into(),
        None => text.into(),
    }
}

/// Reads a document without a byte-order mark; None where it is empty. Nesting is bounded by the parser.
pub(super) fn parse(text: &str) -> Result<Option<Value<'_>>, FormatError> {
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &options);
    let parsed = parsed.map_err(|error| FormatError {
        at: Position::of(text, error.range().start),
        problem: format!("is no JSON: {}", error.kind()),
    })?;
    Ok(parsed.value)
}
