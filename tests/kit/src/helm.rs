//! Real Helm of both majors, with a folder of the test's own in place of the user's.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use crate::testbed;

/// The versions of the test bed.
pub const VERSIONS: [&str; 2] = ["3.22.0", "4.3.1"];

/// Helm against one cluster. It keeps its records in Secrets unless a test chooses another driver.
#[derive(Debug)]
pub struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
    driver: &'static str,
    home: TempDir,
}

impl Helm {
    /// One of [`VERSIONS`].
    pub fn new(version: &str, kubeconfig: &Path) -> Self {
        let program = testbed::folder().join("bin").join(format!("helm-{version}")).join("helm");
        assert!(program.is_file(), "helm {version} is missing: run `make testbed` (looked at {})", program.display());
        let home = tempfile::Builder::new().prefix("trimtab-helm-").tempdir().expect("a temporary folder can be made");
        Self { program, kubeconfig: kubeconfig.to_owned(), driver: "secret", home }
    }

    /// `HELM_DRIVER`: `secret` or `configmap`.
    #[must_use]
    pub fn with_driver(self, driver: &'static str) -> Self {
        Self { driver, ..self }
    }

    /// Writes a chart with one `ConfigMap`, whose value is `--set value=TEXT`, and gives its folder.
    pub fn chart(&self, name: &str) -> PathBuf {
        let chart = self.home.path().join("charts").join(name);
        let write = |file: &str, text: &str| std::fs::write(chart.join(file), text).expect("a file of the test's own");
        std::fs::create_dir_all(chart.join("templates")).expect("a folder of the test's own");
        write("Chart.yaml", &format!("apiVersion: v2\nname: {name}\nversion: 0.1.0\n"));
        write("values.yaml", "value: none\n");
        let template =
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-settings\ndata:\n  value: {{ .Values.value | quote }}\n";
        write("templates/settings.yaml", template);
        chart
    }

    /// Runs Helm to its end: `["upgrade", "shop", CHART, "--namespace", "shop", "--history-max", "3"]`.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("helm can be started")
    }

    /// As [`Helm::run`], to be killed in its middle; what it writes is thrown away.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("helm can be started")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let folder = |name: &str| self.home.path().join(name);
        let mut command = Command::new(&self.program);
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig).env("HELM_DRIVER", self.driver).env("HOME", self.home.path());
        command.env("HELM_CACHE_HOME", folder("cache")).env("HELM_CONFIG_HOME", folder("config")).env("HELM_DATA_HOME", folder("data"));
        command.env_remove("HELM_MAX_HISTORY").env_remove("HELM_NAMESPACE").env_remove("HELM_KUBECONTEXT");
        command
    }

    /// As [`Helm::run`], and what it wrote; a failure ends the test.
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "helm {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
