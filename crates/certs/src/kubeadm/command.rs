//! The command lines about certificates, as each release reads them.

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::list::{Item, Spec, renewable};
use super::pki::Pki;
use super::rules::{ExtraNames, KubeadmRules};

/// A command about certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// What to do.
    pub verb: Verb,
    /// The file after `--config`, where one is given.
    pub config: Option<String>,
    /// The directory after `--cert-dir`, where one is given.
    pub cert_dir: Option<String>,
}

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Verb {
    /// Shows what expires when.
    CheckExpiration(Output),
    /// Renews.
    Renew {
        /// Which.
        which: Selection,
        /// Where `--csr-only` writes its requests; nothing is renewed then.
        csr_dir: Option<String>,
    },
    /// `init phase certs`.
    InitCerts(Selection),
    /// `init phase kubeconfig`.
    InitKubeconfig(Selection),
}

/// Which items a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Selection {
    /// All of them.
    All,
    /// This one.
    One(Item),
}

/// How `check-expiration` writes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Output {
    /// Two tables.
    #[default]
    Text,
    /// `-o json`.
    Json,
    /// `-o yaml`.
    Yaml,
    /// Any other format: KYAML and templates. What they print is not forecast.
    Other(String),
}

/// Where the configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConfigSource {
    /// A file: `--config`. It is loaded and validated.
    File(Config),
    /// The cluster, which answers.
    Cluster(Config),
    /// The cluster, which does not answer: the defaults are taken, so etcd is believed to be local, with the directory after `--cert-dir`.
    Defaults(Config),
}

impl ConfigSource {
    /// The configuration that counts.
    ///
    /// # Errors
    /// The [`Refusal`](super::config::Refusal) of a file.
    pub fn load(&self, rules: &KubeadmRules) -> Result<Config, super::config::Refusal> {
        match self {
            Self::File(config) => config.clone().load(rules),
            Self::Cluster(config) | Self::Defaults(config) => Ok(config.clone()),
        }
    }

    /// What is printed about it before everything else. Nothing without an `admin.conf`, or from a release that asks nobody.
    #[must_use]
    pub fn lines(&self, command: &str, pki: &Pki, rules: &KubeadmRules) -> String {
        if matches!(self, Self::File(_)) || !rules.asks_cluster || !pki.has_certificate_file(Item::AdminConf) {
            return String::new();
        }
        let mut lines = String::new();
        let defaults = matches!(self, Self::Defaults(_)).then_some(rules.fallback.defaults);
        for line in rules.fallback.reading.into_iter().chain(defaults) {
            lines.extend(["[", command, "] ", line, "\n"]);
        }
        lines.push('\n');
        lines
    }
}

/// What is wrong with a command line. The exit code is 1 in every release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "camelCase", tag = "usage")]
pub enum UsageError {
    /// This release has no such command, or no certificate of that name.
    #[error("unknown command: {given}")]
    UnknownCommand {
        /// What was given.
        given: String,
    },
    /// This release has no such flag there.
    #[error("unknown flag: {given}")]
    UnknownFlag {
        /// What was given.
        given: String,
    },
    /// A flag lacks its value.
    #[error("flag needs an argument: {given}")]
    FlagNeedsArgument {
        /// What was given.
        given: String,
    },
    /// `-o` with a format that this release does not write.
    #[error("unknown output format {given}: give one of {}", allowed.join(", "))]
    UnknownOutput {
        /// What was given.
        given: String,
        /// What could be.
        allowed: Vec<String>,
    },
    /// A name is missing.
    #[error("a name is missing: give one, or all")]
    NameMissing,
}

impl Command {
    /// Reads a command line, without the leading `kubeadm`, as a kubeadm with these rules does.
    ///
    /// ```
    /// use trimtab_certs::kubeadm::KubeadmRules;
    /// use trimtab_certs::kubeadm::command::Command;
    /// use trimtab_core::KubeVersion;
    ///
    /// let two = ["certs", "renew", "apiserver", "etcd-server"];
    /// let read = |minor| KubeVersion::new(minor).map(|version| Command::parse(&two, &KubeadmRules::at(version)).is_ok());
    /// assert_eq!([read(24)?, read(28)?], [true, false]);
    /// # Ok::<(), trimtab_core::version::VersionError>(())
    /// ```
    ///
    /// # Errors
    /// [`UsageError`]: then the exit code is 1, and nothing was done.
    pub fn parse(args: &[&str], rules: &KubeadmRules) -> Result<Self, UsageError> {
        let commands = rules.commands;
        let forms: [(Option<&str>, Reader); 4] = [
            (commands.check_expiration, check_expiration),
            (commands.renew, renew),
            (Some(commands.init_certs), init_certs),
            (Some(commands.init_kubeconfig), init_kubeconfig),
        ];
        for (form, read) in forms {
            if let Some(rest) = form.and_then(|form| after(form, args)) {
                return read(rest, rules);
            }
        }
        Err(UsageError::UnknownCommand { given: args.join(" ") })
    }
}

type Reader = fn(&[&str], &KubeadmRules) -> Result<Command, UsageError>;

/// What follows the words of a command, without its leading `kubeadm`.
fn after<'a, 'b>(form: &str, args: &'a [&'b str]) -> Option<&'a [&'b str]> {
    let words: Vec<_> = form.split(' ').skip(1).collect();
    if args.starts_with(&words) { args.get(words.len()..) } else { None }
}

fn check_expiration(args: &[&str], rules: &KubeadmRules) -> Result<Command, UsageError> {
    let mut flags = vec!["--config", "--cert-dir", "--kubeconfig"];
    if rules.outputs.is_some() {
        flags.extend(["-o", "--output"]);
    }
    let line = Line::read(args, &flags, &[])?;
    if let Some(name) = line.names.first() {
        return Err(UsageError::UnknownCommand { given: name.clone() });
    }
    let output = line.value(&["-o", "--output"]).map_or(Ok(Output::Text), |format| output(&format, rules))?;
    Ok(line.command(Verb::CheckExpiration(output)))
}

/// A template follows its format after `=`.
fn output(format: &str, rules: &KubeadmRules) -> Result<Output, UsageError> {
    let allowed = rules.outputs.unwrap_or_default();
    let name = format.split('=').next().unwrap_or_default();
    match name {
        _ if !allowed.contains(&name) => {
            Err(UsageError::UnknownOutput { given: name.to_owned(), allowed: allowed.iter().map(|&name| name.to_owned()).collect() })
        }
        "text" => Ok(Output::Text),
        "json" => Ok(Output::Json),
        "yaml" => Ok(Output::Yaml),
        _ => Ok(Output::Other(format.to_owned())),
    }
}

fn renew(args: &[&str], rules: &KubeadmRules) -> Result<Command, UsageError> {
    let name = args.first().filter(|arg| !arg.starts_with('-')).ok_or(UsageError::NameMissing)?;
    let items = renewable(rules, false);
    let which = selection(name, |item| items.contains(&item), Item::name)?;
    let (mut flags, mut switches) = (vec!["--config", "--cert-dir", "--kubeconfig"], Vec::new());
    if rules.csr_only {
        flags.push("--csr-dir");
        switches.push("--csr-only");
    }
    let line = Line::read(args.get(1..).unwrap_or_default(), &flags, &switches)?;
    if let (ExtraNames::Refused, Some(extra)) = (rules.extra_names, line.names.first()) {
        return Err(UsageError::UnknownCommand { given: extra.clone() });
    }
    let csr_dir = line.value(&["--csr-dir"]);
    if line.switched("--csr-only") && csr_dir.is_none() {
        return Err(UsageError::FlagNeedsArgument { given: "--csr-dir".to_owned() });
    }
    let csr_dir = csr_dir.filter(|_| line.switched("--csr-only"));
    Ok(line.command(Verb::Renew { which, csr_dir }))
}

fn init_certs(args: &[&str], rules: &KubeadmRules) -> Result<Command, UsageError> {
    let name = args.first().filter(|arg| !arg.starts_with('-')).ok_or(UsageError::NameMissing)?;
    let which = selection(name, |item| !item.is_kubeconfig(), Item::name)?;
    let mut flags = vec!["--cert-dir", "--kubernetes-version"];
    if which != Selection::One(Item::Sa) || rules.sa_takes_config {
        flags.push("--config");
    }
    let line = Line::read(args.get(1..).unwrap_or_default(), &flags, &["--dry-run"])?;
    Ok(line.command(Verb::InitCerts(which)))
}

fn init_kubeconfig(args: &[&str], rules: &KubeadmRules) -> Result<Command, UsageError> {
    let name = args.first().filter(|arg| !arg.starts_with('-')).ok_or(UsageError::NameMissing)?;
    let short = |item: Item| item.name().strip_suffix(".conf").unwrap_or_default();
    let which = selection(name, |item| item.is_kubeconfig() && Spec::of(item, rules).is_some(), short)?;
    let flags = ["--config", "--cert-dir", "--kubeconfig-dir", "--kubernetes-version", "--node-name"];
    let line = Line::read(args.get(1..).unwrap_or_default(), &flags, &["--dry-run"])?;
    Ok(line.command(Verb::InitKubeconfig(which)))
}

fn selection(name: &str, known: impl Fn(Item) -> bool, called: impl Fn(Item) -> &'static str) -> Result<Selection, UsageError> {
    if name == "all" {
        return Ok(Selection::All);
    }
    let item = Item::ALL.into_iter().find(|item| known(*item) && called(*item) == name);
    item.map(Selection::One).ok_or_else(|| UsageError::UnknownCommand { given: name.to_owned() })
}

/// Flags with their values, switches and the names between them.
struct Line {
    values: Vec<(String, String)>,
    switches: Vec<String>,
    names: Vec<String>,
}

impl Line {
    fn read(args: &[&str], flags: &[&str], switches: &[&str]) -> Result<Self, UsageError> {
        let mut line = Self { values: Vec::new(), switches: Vec::new(), names: Vec::new() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let (name, inline) = match arg.split_once('=') {
                Some((name, value)) if arg.starts_with("--") => (name, Some(value)),
                Some(_) | None => (*arg, None),
            };
            if flags.contains(&name) {
                let value = inline.or_else(|| args.next().copied());
                let value = value.ok_or_else(|| UsageError::FlagNeedsArgument { given: name.to_owned() })?;
                line.values.push((name.to_owned(), value.to_owned()));
            } else if switches.contains(&name) {
                line.switches.push(name.to_owned());
            } else if name.starts_with('-') {
                return Err(UsageError::UnknownFlag { given: name.to_owned() });
            } else {
                line.names.push((*arg).to_owned());
            }
        }
        Ok(line)
    }

    /// The last one counts.
    fn value(&self, names: &[&str]) -> Option<String> {
        self.values.iter().rev().find(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| value.clone())
    }

    fn switched(&self, name: &str) -> bool {
        self.switches.iter().any(|switch| switch == name)
    }

    fn command(&self, verb: Verb) -> Command {
        Command { verb, config: self.value(&["--config"]), cert_dir: self.value(&["--cert-dir"]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(minor: u64, line: &str) -> Result<Command, UsageError> {
        let args: Vec<_> = line.split(' ').collect();
        Command::parse(&args, &KubeadmRules::at(trimtab_core::KubeVersion::new(minor).unwrap()))
    }

    #[test]
    fn formats_came_one_by_one() {
        let output = |minor| parse(minor, "certs check-expiration -o kyaml").map(|command| command.verb);
        assert!(matches!(output(29), Err(UsageError::UnknownFlag { .. })));
        assert!(matches!(output(34), Err(UsageError::UnknownOutput { .. })));
        assert_eq!(output(35), Ok(Verb::CheckExpiration(Output::Other("kyaml".into()))));
        let template = parse(30, "certs check-expiration --output=jsonpath={.kind}").unwrap();
        assert_eq!(template.verb, Verb::CheckExpiration(Output::Other("jsonpath={.kind}".into())));
    }

    #[test]
    fn what_kubeadm_does_not_renew_is_no_command() {
        for name in ["nope", "ca", "etcd-ca", "sa", "kubelet.conf", "all,apiserver"] {
            assert!(parse(37, &format!("certs renew {name}")).is_err(), "{name}");
        }
        assert_eq!([28, 29].map(|minor| parse(minor, "certs renew super-admin.conf").is_ok()), [false, true]);
        assert_eq!(parse(37, "certs renew"), Err(UsageError::NameMissing));
    }

    #[test]
    fn before_1_20_the_commands_are_alpha_ones() {
        assert!(parse(19, "certs renew all").is_err());
        assert!(parse(19, "alpha certs renew all").is_ok());
        assert!(parse(14, "alpha certs check-expiration").is_err());
    }

    #[test]
    fn requests_go_where_they_are_told_to() {
        let command = parse(22, "certs renew all --csr-only --csr-dir /var/csr").unwrap();
        assert_eq!(command.verb, Verb::Renew { which: Selection::All, csr_dir: Some("/var/csr".into()) });
        assert!(parse(22, "certs renew all --csr-only").is_err());
        assert!(parse(24, "certs renew all --csr-only --csr-dir /var/csr").is_err());
    }

    #[test]
    fn the_service_account_phase_took_no_configuration_at_first() {
        let line = "init phase certs sa --config cfg.yaml";
        assert_eq!([30, 31].map(|minor| parse(minor, line).is_ok()), [false, true]);
        assert!(parse(30, "init phase kubeconfig admin --config=cfg.yaml").is_ok());
        assert!(parse(30, "init phase kubeconfig admin.conf").is_err());
    }
}
