//! Lists with a header line, and what is wrong with them.

use std::fmt;

/// Why a file is not understood. Nothing was simulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub file: String,
    /// From 1; 0 for the file as a whole.
    pub line: usize,
    pub why: String,
}

impl Refused {
    pub(super) fn whole(file: &str, why: &str) -> Self {
        Self::at(file, 0, why)
    }

    pub(super) fn at(file: &str, line: usize, why: &str) -> Self {
        Self { file: file.to_owned(), line, why: why.to_owned() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.why),
            line => write!(f, "{}:{line}: {}", self.file, self.why),
        }
    }
}

impl std::error::Error for Refused {}

/// The largest size or count of a workload.
pub(super) const NUMBER_MAX: f64 = 1e15;
/// The largest time, in seconds: some thirty years. The simulator counts nanoseconds.
pub(super) const SECONDS_MAX: f64 = 1e9;

/// A number of a field from 0 to [`NUMBER_MAX`].
pub(super) fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| (0.0..=NUMBER_MAX).contains(number))
}

/// One line of a list.
pub(super) struct Row<'a> {
    pub file: &'a str,
    pub line: usize,
    names: &'a [&'a str],
    fields: Vec<&'a str>,
}

impl Row<'_> {
    pub(super) fn text(&self, name: &str) -> &str {
        let place = self.names.iter().position(|known| *known == name);
        place.and_then(|place| self.fields.get(place)).map_or("", |field| field.trim())
    }

    pub(super) fn refuse(&self, name: &str, why: &str) -> Refused {
        Refused::at(self.file, self.line, &format!("{name}: {why}"))
    }

    /// None where the field is empty or its column is not there.
    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, Refused> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        number(text)
            .map(Some)
            .ok_or_else(|| self.refuse(name, &format!("{text} is not a number from 0 to {NUMBER_MAX:e}")))
    }

    /// The same without a fraction.
    pub(super) fn whole(&self, name: &str) -> Result<Option<u32>, Refused> {
        let whole = |number: &f64| number.fract() == 0.0 && *number <= f64::from(u32::MAX);
        match self.number(name)? {
            None => Ok(None),
            Some(number) if whole(&number) => Ok(Some(number as u32)),
            Some(number) => Err(self.refuse(name, &format!("{number} is no whole number"))),
        }
    }

    /// A time, if there is one.
    pub(super) fn seconds(&self, name: &str) -> Result<Option<f64>, Refused> {
        match self.number(name)? {
            Some(long) if long > SECONDS_MAX => {
                Err(self.refuse(name, &format!("{long:e} is more than {SECONDS_MAX:e} seconds")))
            }
            known => Ok(known),
        }
    }

    pub(super) fn wanted(&self, name: &str) -> Result<f64, Refused> {
        self.number(name)?.ok_or_else(|| self.refuse(name, "is missing"))
    }
}

/// Calls `each` for every line below the header. Empty lines and those that begin with `#` are passed over.
pub(super) fn rows(
    file: &str,
    text: &str,
    columns: &[&str],
    mut each: impl FnMut(&Row<'_>) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let mut lines =
        text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let (header, at) = lines.next().ok_or_else(|| Refused::whole(file, "no header line"))?;
    let names: Vec<&str> = header.split(',').map(str::trim).collect();
    if let Some(unknown) = names.iter().find(|name| !columns.contains(name)) {
        let why = format!("{unknown} is no column; there are {}", columns.join(", "));
        return Err(Refused::at(file, at, &why));
    }
    if let Some((_, twice)) = names.iter().enumerate().find(|(place, name)| names[..*place].contains(name)) {
        return Err(Refused::at(file, at, &format!("{twice} is there twice")));
    }
    for (line, number) in lines {
        let fields: Vec<&str> = line.split(',').collect();
        if fields.len() != names.len() {
            let why = format!("{} fields where the header has {}", fields.len(), names.len());
            return Err(Refused::at(file, number, &why));
        }
        each(&Row { file, line: number, names: &names, fields })?;
    }
    Ok(())
}
