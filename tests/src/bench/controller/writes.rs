//! What has been written to the API server, as it counts itself. Not counted: questions that are asked by a POST, dry runs, and the
//! leases by which those who lead are known to live.

use std::collections::BTreeMap;

/// A counter for each verb, resource and code, without those that the text does not name.
const COUNTER: &str = "apiserver_request_total{";
/// Verbs that write, as the metric calls them.
const WRITES: [&str; 6] = ["POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"];
/// What is no write of an object that anybody reads.
const OTHERS: [&str; 5] =
    ["leases", "subjectaccessreviews", "selfsubjectaccessreviews", "tokenreviews", "selfsubjectreviews"];

/// How often each was written. Counts are floating-point numbers in this format, and whole below 2^53.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Writes(BTreeMap<String, f64>);

impl Writes {
    /// Reads the API server's metrics.
    pub(super) fn of(metrics: &str) -> Self {
        let mut writes = BTreeMap::new();
        for line in metrics.lines().filter_map(|line| line.strip_prefix(COUNTER)) {
            let Some((labels, count)) = line.rsplit_once("} ") else { continue };
            let of = |name: &str| label(labels, name).unwrap_or_default();
            let (verb, resource) = (of("verb"), of("resource"));
            if !WRITES.contains(&verb) || OTHERS.contains(&resource) || !of("dry_run").is_empty() {
                continue;
            }
            let part = if of("subresource").is_empty() { String::new() } else { format!("/{}", of("subresource")) };
            *writes.entry(format!("{verb} {resource}{part}")).or_insert(0.0) += count.trim().parse().unwrap_or(0.0);
        }
        Self(writes)
    }

    pub(super) fn total(&self) -> f64 {
        // From zero, since the sum of nothing has a sign.
        self.0.values().fold(0.0, |sum, count| sum + count)
    }

    /// What was written since.
    pub(super) fn since(&self, before: &Self) -> Self {
        let more = |(what, count): (&String, &f64)| {
            let count = count - before.0.get(what).copied().unwrap_or(0.0);
            (count > 0.0).then(|| (what.clone(), count))
        };
        Self(self.0.iter().filter_map(more).collect())
    }
}

impl std::fmt::Display for Writes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let each: Vec<String> = self.0.iter().map(|(what, count)| format!("{count} {what}")).collect();
        f.write_str(if each.is_empty() { "nothing".to_owned() } else { each.join(", ") }.as_str())
    }
}

fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let mut each = labels.split(',').filter_map(|label| label.split_once('='));
    each.find(|(found, _)| *found == name).map(|(_, value)| value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(resource: &str, subresource: &str, verb: &str, dry_run: &str, count: &str) -> String {
        format!(
            "apiserver_request_total{{code=\"200\",component=\"apiserver\",dry_run=\"{dry_run}\",group=\"g\",\
             resource=\"{resource}\",scope=\"resource\",subresource=\"{subresource}\",verb=\"{verb}\",version=\"v1\"}} {count}"
        )
    }

    #[test]
    fn writes_are_counted_and_reads_questions_dry_runs_and_leases_are_not() {
        let text = [
            line("physicalhosts", "status", "PATCH", "", "3"),
            line("physicalhosts", "status", "PATCH", "", "1.2e+06"),
            line("physicalhosts", "", "LIST", "", "9"),
            line("physicalhosts", "", "POST", "All", "9"),
            line("leases", "", "PUT", "", "9"),
            line("subjectaccessreviews", "", "POST", "", "9"),
        ]
        .join("\n");
        let writes = Writes::of(&text);
        assert_eq!(writes.to_string(), "1200003 PATCH physicalhosts/status");
        let later = Writes::of(&format!("{text}\n{}", line("secrets", "", "POST", "", "2")));
        assert_eq!(later.since(&writes).to_string(), "2 POST secrets");
        assert!(writes.since(&writes).0.is_empty());
    }
}
