//! Values that files compute: `multiprocessing.cpu_count() * 2 + 1` in Python,
//! `$(( 2 * $(nproc) + 1 ))` and `${WORKERS:-4}` in a shell. Nothing is run: what is more than
//! arithmetic on numbers, CPUs and environment variables is not understood, and said to be so.

use super::expand::variable;

/// What a value is computed from.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    Number(f64),
    Text(String),
    /// An environment variable, and what holds where it is not set.
    Variable(String, Option<Box<Expression>>),
    /// The CPUs that the process sees.
    Cpus,
    /// A name of the same file.
    Name(String),
    /// `max`, `min` or an operator.
    Operation(Operator, Vec<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Max,
    Min,
    /// Python's: the second where the first is nothing or 0.
    Or,
    /// To a whole number, towards 0.
    Whole,
}

/// What an expression is computed with.
pub struct Values<'a> {
    pub cpus: u32,
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The expression that a name of the same file stands for.
    pub name: &'a dyn Fn(&str) -> Option<Expression>,
}

/// Names that stand for each other no deeper than this.
const DEEPEST: usize = 16;

impl Expression {
    /// A Python expression.
    pub fn python(text: &str) -> Option<Expression> {
        whole(text, Dialect::Python)
    }

    /// A word of a shell, its quotes undone.
    pub fn shell(text: &str) -> Option<Expression> {
        let text = text.trim();
        if let Some(inner) = text.strip_prefix("$((").and_then(|rest| rest.strip_suffix("))")) {
            return whole(inner, Dialect::Shell);
        }
        if !text.contains(['$', '`']) {
            let number = text.parse().ok().filter(|n: &f64| n.is_finite());
            return Some(number.map_or_else(|| Expression::Text(text.into()), Expression::Number));
        }
        let (expansion, length) = expansion(text)?;
        (length == text.len()).then_some(expansion)
    }

    /// The environment variable that the value is, with what holds where it is not set.
    pub fn as_variable(&self) -> Option<(&str, Option<&Expression>)> {
        match self {
            Expression::Variable(name, default) => Some((name, default.as_deref())),
            Expression::Operation(Operator::Whole, of) => of[0].as_variable(),
            Expression::Operation(Operator::Or, of) => match &of[0] {
                Expression::Variable(name, None) => Some((name, Some(&of[1]))),
                _ => None,
            },
            _ => None,
        }
    }

    /// The value as a text; None where it cannot be known without running the program.
    pub fn evaluate(&self, values: &Values) -> Option<String> {
        match self {
            Expression::Text(text) => Some(text.clone()),
            Expression::Variable(name, default) => {
                let set = (values.variable)(name).filter(|value| !value.is_empty());
                set.or_else(|| default.as_ref()?.evaluate(values))
            }
            _ => {
                let number = self.number(values, 0)?;
                Some(format!("{}", number.trunc()))
            }
        }
    }

    fn number(&self, values: &Values, depth: usize) -> Option<f64> {
        if depth > DEEPEST {
            return None;
        }
        let number = match self {
            Expression::Number(n) => *n,
            Expression::Text(text) => text.trim().parse().ok()?,
            Expression::Variable(..) => self.evaluate(values)?.trim().parse().ok()?,
            Expression::Cpus => values.cpus.into(),
            Expression::Name(name) => (values.name)(name)?.number(values, depth + 1)?,
            Expression::Operation(operator, of) => {
                let of: Vec<Option<f64>> = of.iter().map(|e| e.number(values, depth + 1)).collect();
                operator.apply(&of)?
            }
        };
        Some(number).filter(|n| n.is_finite())
    }
}

impl Operator {
    fn apply(self, of: &[Option<f64>]) -> Option<f64> {
        if self == Operator::Or {
            return of[0].filter(|n| *n != 0.0).or(of[1]);
        }
        let of: Vec<f64> = of.iter().copied().collect::<Option<_>>()?;
        let first = *of.first()?;
        Some(match self {
            Operator::Add => first + of[1],
            Operator::Subtract => first - of[1],
            Operator::Multiply => first * of[1],
            Operator::Divide => first / of[1],
            Operator::FloorDivide => (first / of[1]).floor(),
            Operator::Remainder => first.rem_euclid(of[1]),
            Operator::Max => of.iter().copied().fold(first, f64::max),
            Operator::Min => of.iter().copied().fold(first, f64::min),
            Operator::Whole => first.trunc(),
            Operator::Or => unreachable!("answered above"),
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Python,
    Shell,
}

fn whole(text: &str, dialect: Dialect) -> Option<Expression> {
    let mut parser = Parser { rest: text, dialect, depth: 0 };
    let expression = parser.either()?;
    parser.skip();
    parser.rest.is_empty().then_some(expression)
}

/// `$NAME`, `${NAME:-default}` or `$(nproc)` at the start of a text, with its length.
fn expansion(text: &str) -> Option<(Expression, usize)> {
    if let Some((name, default, length)) = variable(text) {
        let default = default.and_then(Expression::shell).map(Box::new);
        return Some((Expression::Variable(name.into(), default), length));
    }
    let counted =
        ["nproc", "nproc --all", "getconf _NPROCESSORS_ONLN", "grep -c ^processor /proc/cpuinfo"];
    let forms = counted.iter().flat_map(|c| [format!("$({c})"), format!("`{c}`")]);
    let form = forms.into_iter().find(|form| text.starts_with(form.as_str()))?;
    Some((Expression::Cpus, form.len()))
}

struct Parser<'a> {
    rest: &'a str,
    dialect: Dialect,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
        // A comment between the lines of a call.
        while self.dialect == Dialect::Python && self.rest.starts_with('#') {
            let line = self.rest.find('\n').unwrap_or(self.rest.len());
            self.rest = self.rest[line..].trim_start();
        }
    }

    fn eat(&mut self, token: &str) -> bool {
        self.skip();
        let found = self.rest.strip_prefix(token);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    /// Steps over `None`.
    fn nothing(&mut self) -> bool {
        self.skip();
        let rest =
            self.rest.strip_prefix("None").filter(|rest| rest.trim_start().starts_with([',', ')']));
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn either(&mut self) -> Option<Expression> {
        if self.depth > DEEPEST {
            return None;
        }
        self.depth += 1;
        let mut left = self.sum()?;
        while self.dialect == Dialect::Python && self.eat("or ") {
            left = Expression::Operation(Operator::Or, vec![left, self.sum()?]);
        }
        self.depth -= 1;
        Some(left)
    }

    fn sum(&mut self) -> Option<Expression> {
        let mut left = self.product()?;
        loop {
            let operator = match () {
                () if self.eat("+") => Operator::Add,
                () if self.eat("-") => Operator::Subtract,
                () => return Some(left),
            };
            left = Expression::Operation(operator, vec![left, self.product()?]);
        }
    }

    fn product(&mut self) -> Option<Expression> {
        let mut left = self.atom()?;
        loop {
            let operator = match () {
                () if self.eat("**") => return None,
                () if self.eat("*") => Operator::Multiply,
                () if self.eat("//") => Operator::FloorDivide,
                () if self.eat("/") && self.dialect == Dialect::Shell => Operator::FloorDivide,
                () if self.eat("/") => Operator::Divide,
                () if self.eat("%") => Operator::Remainder,
                () => return Some(left),
            };
            left = Expression::Operation(operator, vec![left, self.atom()?]);
        }
    }

    fn atom(&mut self) -> Option<Expression> {
        self.skip();
        let first = self.rest.chars().next()?;
        match first {
            '(' => {
                self.eat("(");
                let inner = self.either()?;
                self.eat(")").then_some(inner)
            }
            '0'..='9' => self.digits(),
            '"' | '\'' if self.dialect == Dialect::Python => self.string(first),
            '$' | '`' if self.dialect == Dialect::Shell => {
                let (expansion, length) = expansion(self.rest)?;
                self.rest = &self.rest[length..];
                Some(expansion)
            }
            c if c.is_ascii_alphabetic() || c == '_' => self.name(),
            _ => None,
        }
    }

    fn digits(&mut self) -> Option<Expression> {
        let end = self.rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'));
        let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        digits.replace('_', "").parse().ok().map(Expression::Number)
    }

    fn string(&mut self, quote: char) -> Option<Expression> {
        let (text, rest) = self.rest[1..].split_once(quote)?;
        self.rest = rest;
        (!text.contains(['\\', '\n'])).then(|| Expression::Text(text.into()))
    }

    fn name(&mut self) -> Option<Expression> {
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_.".contains(c)));
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        if self.dialect == Dialect::Shell {
            return Some(Expression::Variable(name.into(), None));
        }
        if self.eat("[") {
            let Some(Expression::Text(key)) = self.either() else { return None };
            let environ = matches!(name, "os.environ" | "environ") && self.eat("]");
            return environ.then_some(Expression::Variable(key, None));
        }
        if !self.eat("(") {
            let own = !name.contains('.') && !matches!(name, "None" | "True" | "False");
            return own.then(|| Expression::Name(name.into()));
        }
        let mut arguments = Vec::new();
        while !self.eat(")") {
            // `getenv("N", None)` says what holds without it.
            if !self.nothing() {
                arguments.push(self.either()?);
            }
            if !self.eat(",") && !self.rest.trim_start().starts_with(')') {
                return None;
            }
        }
        call(name, arguments)
    }
}

/// The calls that files of settings make.
fn call(name: &str, mut arguments: Vec<Expression>) -> Option<Expression> {
    match (name, arguments.len()) {
        (
            "multiprocessing.cpu_count" | "os.cpu_count" | "cpu_count" | "os.process_cpu_count",
            0,
        ) => Some(Expression::Cpus),
        ("os.sched_getaffinity" | "sched_getaffinity", 1) => Some(Expression::Cpus),
        ("len", 1) if arguments[0] == Expression::Cpus => Some(Expression::Cpus),
        ("int" | "round" | "math.floor", 1) => {
            Some(Expression::Operation(Operator::Whole, arguments))
        }
        ("str" | "float", 1) => arguments.pop(),
        ("max", 1..) => Some(Expression::Operation(Operator::Max, arguments)),
        ("min", 1..) => Some(Expression::Operation(Operator::Min, arguments)),
        ("os.environ.get" | "environ.get" | "os.getenv" | "getenv", 1 | 2) => {
            let default = (arguments.len() == 2).then(|| arguments.pop()).flatten().map(Box::new);
            match arguments.pop() {
                Some(Expression::Text(name)) => Some(Expression::Variable(name, default)),
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn evaluate(expression: Option<Expression>) -> Option<String> {
        let variable = |name: &str| (name == "N").then(|| "3".to_string());
        let name = |name: &str| (name == "cores").then(|| Expression::python("cpu_count()"))?;
        expression?.evaluate(&Values { cpus: 2, variable: &variable, name: &name })
    }

    #[test]
    fn what_python_files_of_settings_say() {
        for (text, value) in [
            ("4", Some("4")),
            ("\"gthread\"", Some("gthread")),
            ("multiprocessing.cpu_count() * 2 + 1", Some("5")),
            ("(2 * cores) + 1", Some("5")),
            ("int(os.environ.get('N', '7'))", Some("3")),
            ("int(os.getenv(\"M\", 7))", Some("7")),
            ("int(os.environ['N']) // 2", Some("1")),
            ("int(os.environ.get('M') or 4)", Some("4")),
            ("os.getenv('N', None)", Some("3")),
            ("os.getenv('M', None )", None),
            ("max(\n    2, # two\n    4)", Some("4")),
            ("min(cores * 2, 3, )", Some("3")),
            ("int(cores * 1.5) % 2", Some("1")),
            ("len(os.sched_getaffinity(0))", Some("2")),
            ("10 - 2 - 3", Some("5")),
            ("workers()", None),
            ("os.environ['M']", None),
            ("4 if cores else 2", None),
            ("2 ** 3", None),
            ("1 / 0", None),
            ("[1]", None),
            ("None", None),
        ] {
            assert_eq!(evaluate(Expression::python(text)).as_deref(), value, "{text}");
        }
    }

    #[test]
    fn what_shells_say() {
        for (text, value) in [
            ("4", Some("4")),
            ("gthread", Some("gthread")),
            ("$N", Some("3")),
            ("${M:-4}", Some("4")),
            ("${N:-4}", Some("3")),
            ("$(( 2 * $(nproc) + 1 ))", Some("5")),
            ("$((N*`nproc`/4))", Some("1")),
            ("$(nproc)", Some("2")),
            ("$(cat workers)", None),
            ("$N$N", None),
            ("$M", None),
        ] {
            assert_eq!(evaluate(Expression::shell(text)).as_deref(), value, "{text}");
        }
    }

    #[test]
    fn a_value_that_is_a_variable() {
        let variable = |e: Option<Expression>| {
            let e = e.unwrap();
            e.as_variable().map(|(name, default)| (name.to_string(), default.is_some()))
        };
        let found = Some(("N".to_string(), true));
        assert_eq!(variable(Expression::python("int(os.environ.get('N', '7'))")), found);
        assert_eq!(variable(Expression::python("int(os.environ.get('N') or 4)")), found);
        assert_eq!(variable(Expression::shell("${N:-4}")), found);
        assert_eq!(variable(Expression::shell("$N")), Some(("N".into(), false)));
        assert_eq!(variable(Expression::python("int(os.environ.get('N', 7)) * 2")), None);
    }

    #[test]
    fn names_that_stand_for_each_other_end() {
        let name = |_: &str| Expression::python("a + 1");
        let values = Values { cpus: 2, variable: &|_| None, name: &name };
        assert_eq!(Expression::python("a").unwrap().evaluate(&values), None);
        assert_eq!(Expression::python(&"(".repeat(99_999)), None);
    }

    proptest! {
        #[test]
        fn any_text_is_understood_or_not(text in "[a-z0-9+*/%$(){}:'\"., `-]{0,40}") {
            evaluate(Expression::python(&text));
            evaluate(Expression::shell(&text));
        }
    }
}
