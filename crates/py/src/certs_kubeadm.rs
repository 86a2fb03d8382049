//! `trimtab.certs`, kubeadm: converts, asks `trimtab_certs::kubeadm`, converts back. Nothing is decided here.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyDict, PyMapping, PyString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trimtab::certs::certificate::MAX_FILE_BYTES;
use trimtab::certs::human_duration as spans;
use trimtab::certs::kubeadm::check_expiration::check_expiration_with;
use trimtab::certs::kubeadm::command::{Command, ConfigSource, Output, Selection};
use trimtab::certs::kubeadm::init_phase::Phase;
use trimtab::certs::kubeadm::list::{KUBERNETES_DIR, renewable};
use trimtab::certs::kubeadm::observe::{FileSeen, Files};
use trimtab::certs::kubeadm::renew::Renewal;
use trimtab::certs::kubeadm::write::Umask;
use trimtab::certs::kubeadm::{AltNames, Config, Item, KubeadmRules, Pki, Spec, Stop, init, init_phase, renew};

use crate::convert::{read, write, write_dict};
use crate::error::{OrRaise, Trouble};
use crate::etcd_backup::Moment;
use crate::version::Version;

/// A span of nanoseconds as kubeadm's table writes it since 1.31: two units while they tell something, then one. Never rounds up.
/// Upstream's `HumanDuration`, apimachinery `pkg/util/duration/duration.go`.
///
/// Raises `OverflowError` beyond 64 bits.
///
/// What surprises: a span that is over for less than two seconds is still `0s`.
///
/// >>> from trimtab import certs
/// >>> certs.human_duration(190 * 10**9), certs.human_duration(-1), certs.human_duration(-2 * 10**9)
/// ('3m10s', '0s', '<invalid>')
#[pyfunction]
#[pyo3(signature = (nanoseconds, /))]
pub(crate) fn human_duration(nanoseconds: i64) -> String {
    spans::human_duration(nanoseconds)
}

/// A span of nanoseconds as kubeadm's table writes it up to 1.30: the largest unit alone.
/// Upstream's `ShortHumanDuration`, apimachinery `pkg/util/duration/duration.go`.
///
/// Raises `OverflowError` beyond 64 bits.
///
/// >>> from trimtab import certs
/// >>> certs.short_human_duration(30 * 3_600 * 10**9), certs.human_duration(30 * 3_600 * 10**9)
/// ('1d', '30h')
#[pyfunction]
#[pyo3(signature = (nanoseconds, /))]
pub(crate) fn short_human_duration(nanoseconds: i64) -> String {
    spans::short_human_duration(nanoseconds)
}

/// The names of all that kubeadm makes, in the order in which `kubeadm init` makes them.
///
/// >>> from trimtab import certs
/// >>> certs.kubeadm_items()[:3], len(certs.kubeadm_items())
/// (['ca', 'apiserver', 'apiserver-kubelet-client'], 16)
#[pyfunction]
pub(crate) fn kubeadm_items() -> Vec<&'static str> {
    Item::ALL.map(Item::name).to_vec()
}

/// What holds of an item in every release: a dict with its `files` (certificate first), its `authority`, whether it is one
/// (`isAuthority`), whether its certificate is in a kubeconfig (`isKubeconfig`) or belongs to kubeadm's own etcd (`isOfLocalEtcd`), and
/// the `longName` that messages have.
///
/// Raises `InvalidInput` for a name that is none of kubeadm's.
///
/// >>> from trimtab import certs
/// >>> certs.kubeadm_item("etcd-server")["files"]
/// ['/etc/kubernetes/pki/etcd/server.crt', '/etc/kubernetes/pki/etcd/server.key']
#[pyfunction]
#[pyo3(signature = (name, /, *, certificates_dir = "/etc/kubernetes/pki"))]
pub(crate) fn kubeadm_item<'py>(py: Python<'py>, name: Named, certificates_dir: &str) -> PyResult<Bound<'py, PyDict>> {
    let item = name.0;
    let facts = ItemFacts {
        name: item,
        base_name: item.base_name(),
        long_name: item.long_name(),
        files: item.files(certificates_dir),
        authority: item.authority(),
        is_authority: item.is_authority(),
        is_kubeconfig: item.is_kubeconfig(),
        is_of_local_etcd: item.is_of_local_etcd(),
    };
    write_dict(py, &facts)
}

/// What a release's kubeadm puts into the certificate of an item: `commonName`, `organization`, `extKeyUsage`, `keyUsage`, `san`,
/// `validitySeconds`; `None` for the service account keys, and where the release does not make it.
///
/// Raises `InvalidInput` for a name that is none of kubeadm's, and `UnsupportedVersion`.
///
/// >>> from trimtab import certs
/// >>> [certs.kubeadm_spec("admin.conf", version=version)["organization"] for version in ("1.28", "1.29")]
/// ['system:masters', 'kubeadm:cluster-admins']
/// >>> certs.kubeadm_spec("super-admin.conf", version="1.28") is None
/// True
#[pyfunction]
#[pyo3(signature = (name, /, *, version))]
pub(crate) fn kubeadm_spec(py: Python<'_>, name: Named, version: Version) -> PyResult<Bound<'_, PyAny>> {
    write(py, &Spec::of(name.0, &KubeadmRules::at(version.0)))
}

/// What `kubeadm certs renew all` of a release renews, in its order.
///
/// Raises `UnsupportedVersion`.
///
/// >>> from trimtab import certs
/// >>> certs.kubeadm_renewable(version="1.28")[:2], "super-admin.conf" in certs.kubeadm_renewable(version="1.29")
/// (['admin.conf', 'apiserver'], True)
#[pyfunction]
#[pyo3(signature = (*, version, external_etcd = false))]
pub(crate) fn kubeadm_renewable(version: Version, external_etcd: bool) -> Vec<&'static str> {
    renewable(&KubeadmRules::at(version.0), external_etcd).into_iter().map(Item::name).collect()
}

/// What differs between the kubeadms of the releases, as plain data.
///
/// Raises `UnsupportedVersion`.
///
/// >>> from trimtab import certs
/// >>> [certs.kubeadm_rules(version)["leafNotBefore"] for version in ("1.29", "1.31")]
/// ['ofAuthority', 'backdated']
#[pyfunction]
#[pyo3(signature = (version, /))]
pub(crate) fn kubeadm_rules(py: Python<'_>, version: Version) -> PyResult<Bound<'_, PyDict>> {
    write_dict(py, &KubeadmRules::at(version.0))
}

/// What of the two documents of a configuration file (`InitConfiguration`, `ClusterConfiguration`) decides about certificates. Every
/// function here takes such a dict, or a part of it.
///
/// Raises `InvalidInput` for a value of another type than upstream's; `to_dict()` has its `field`.
///
/// >>> from trimtab import certs
/// >>> cluster = {"apiVersion": "kubeadm.k8s.io/v1beta4", "certificateValidityPeriod": "48h"}
/// >>> config = certs.kubeadm_config({"nodeRegistration": {"name": "node-a"}}, cluster)
/// >>> config["nodeName"], config["certificateValidityPeriod"], config["serviceSubnet"]
/// ('node-a', 172800000000000, '10.96.0.0/12')
#[pyfunction]
#[pyo3(signature = (init, cluster, /))]
pub(crate) fn kubeadm_config<'py>(py: Python<'py>, init: &Bound<'py, PyAny>, cluster: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let init: Value = read(init, "the InitConfiguration")?;
    let cluster: Value = read(cluster, "the ClusterConfiguration")?;
    write_dict(py, &Config::read(&init, &cluster).or_raise()?)
}

/// The configuration as a release's kubeadm has it after loading and validating it.
///
/// Raises `InvalidInput` where it refuses; `to_dict()` has the field, the value, the remedy, and the `exitCode`. `UnsupportedVersion`.
///
/// >>> from trimtab import certs
/// >>> config = {"nodeName": "node-a", "advertiseAddress": "192.0.2.10", "certSans": ["API.example.test"]}
/// >>> certs.kubeadm_config_load(config, version="1.37")["certSans"]
/// ['api.example.test']
/// >>> certs.kubeadm_config_load(config | {"apiVersion": "v1beta1"}, version="1.37")
/// Traceback (most recent call last):
/// trimtab.exceptions.InvalidInput: kubeadm.k8s.io/v1beta1 is not read by this kubeadm, which reads v1beta4: run `kubeadm config migrate` of a release that reads both
#[pyfunction]
#[pyo3(signature = (config, /, *, version))]
pub(crate) fn kubeadm_config_load<'py>(py: Python<'py>, config: &Bound<'py, PyAny>, version: Version) -> PyResult<Bound<'py, PyDict>> {
    let rules = KubeadmRules::at(version.0);
    let config: Config = read(config, "the configuration")?;
    let loaded = config.load(&rules).map_err(|refusal| Trouble::from(refusal.clone()).with("exitCode", refusal.exit_code(&rules).into()));
    write_dict(py, &loaded.or_raise()?)
}

/// A command line of kubeadm about certificates, without the leading `kubeadm`, as that release reads it: a dict with the `verb`, and what
/// follows `--config` and `--cert-dir`.
///
/// Raises `InvalidInput` where it does not read it; the exit code is 1 then, and nothing was done. `UnsupportedVersion`.
///
/// >>> from trimtab import certs
/// >>> certs.kubeadm_command(["certs", "renew", "apiserver"], version="1.37")["verb"]["renew"]["which"]
/// {'one': 'apiserver'}
/// >>> certs.kubeadm_command(["certs", "renew", "ca"], version="1.37")
/// Traceback (most recent call last):
/// trimtab.exceptions.InvalidInput: unknown command: ca
#[pyfunction]
#[pyo3(signature = (args, /, *, version))]
pub(crate) fn kubeadm_command(py: Python<'_>, args: Vec<String>, version: Version) -> PyResult<Bound<'_, PyDict>> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    write_dict(py, &Command::parse(&args, &KubeadmRules::at(version.0)).or_raise()?)
}

/// Which names and addresses the certificate of an item carries: a dict with `dns` (sorted by bytes), `ip` (in order) and `dropped`, what
/// the configuration asked for and is neither. `None` where the release does not make the item.
///
/// Raises `InvalidInput` where the advertise address or the first service subnet cannot be read, and `UnsupportedVersion`.
///
/// >>> from trimtab import certs
/// >>> config = {"nodeName": "node-a", "advertiseAddress": "192.0.2.10", "etcdPeerCertSans": ["10.0.0.9", "no,name"]}
/// >>> certs.kubeadm_alt_names("etcd-peer", config=config, version="1.37")
/// {'dns': ['localhost', 'node-a'], 'ip': ['192.0.2.10', '127.0.0.1', '::1', '10.0.0.9'], 'dropped': ['no,name']}
#[pyfunction]
#[pyo3(signature = (name, /, *, config, version))]
pub(crate) fn kubeadm_alt_names<'py>(py: Python<'py>, name: Named, config: &Bound<'py, PyAny>, version: Version) -> PyResult<Bound<'py, PyAny>> {
    let config: Config = read(config, "the configuration")?;
    let spec = Spec::of(name.0, &KubeadmRules::at(version.0));
    let names = spec.map(|spec| AltNames::of(&spec, &config)).transpose().or_raise()?;
    write(py, &names)
}

/// The same names without duplicates: host names sorted by bytes, addresses in order and compared as Go prints them. Upstream's
/// `RemoveDuplicateAltNames`.
///
/// Raises `InvalidInput`; its `path` names the field.
///
/// >>> from trimtab import certs
/// >>> certs.kubeadm_alt_names_without_duplicates({"dns": ["b", "a", "a"], "ip": ["10.0.0.1", "::ffff:10.0.0.1"], "dropped": []})
/// {'dns': ['a', 'b'], 'ip': ['10.0.0.1'], 'dropped': []}
#[pyfunction]
#[pyo3(signature = (names, /))]
pub(crate) fn kubeadm_alt_names_without_duplicates<'py>(py: Python<'py>, names: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let names: AltNames = read(names, "the names")?;
    write_dict(py, &names.without_duplicates())
}

/// What is there of a control plane's certificates and keys, read as kubeadm reads it: a dict with `items`, by name, whose `certificate` is
/// `"missing"`, `{"unreadable": …}` or `{"readable": {…}}`, and whose `key` is `"present"`, `"absent"`, `"mismatch"` or
/// `{"unreadable": …}`. No key material is in it. An item without files is not in it either.
///
/// `files` is a folder that stands for `/etc/kubernetes`, which is read and never written; or a dict of paths, as kubeadm names them, to
/// their contents as `bytes`. `certificates_dir` is kubeadm's `certificatesDir`; outside of `/etc/kubernetes` it is read where it is.
///
/// Raises `FileNotFoundError` and its like for the folder; a file in it that cannot be read stands among the answers.
///
/// >>> from trimtab import certs
/// >>> certs.kubeadm_pki({"/etc/kubernetes/pki/ca.crt": b"no PEM"})
/// {'items': {'ca': {'certificate': {'unreadable': {'reason': 'no certificate in PEM'}}, 'key': 'absent'}}}
#[pyfunction]
#[pyo3(signature = (files, /, *, certificates_dir = "/etc/kubernetes/pki"))]
pub(crate) fn kubeadm_pki<'py>(py: Python<'py>, files: NodeFiles, certificates_dir: &str) -> PyResult<Bound<'py, PyDict>> {
    let pki = py.detach(|| {
        let files = match files {
            NodeFiles::Folder(folder) => files_below(&folder, certificates_dir),
            NodeFiles::Given(files) => seen(files),
        };
        Pki::of_files(&files, certificates_dir)
    });
    write_dict(py, &pki)
}

/// What `kubeadm certs check-expiration` of a release would show at `now`: a dict with `exitCode`, `stop` (why it stops, where it does),
/// `certificates`, `certificateAuthorities`, and `stdout`, byte for byte. Nothing is run, nothing is written.
///
/// `pki` is what `kubeadm_pki` gave. `config` is `{"file": {…}}` for `--config`, `{"cluster": {…}}` where the cluster answers with it, by
/// default `{"defaults": {}}`: the cluster does not answer. `output` is `"text"`, `"json"`, `"yaml"`, or `{"other": "kyaml"}`, of which the
/// `stdout` is not forecast.
///
/// Raises `InvalidInput`; its `path` names the field. `UnsupportedVersion`.
///
/// What surprises: the exit code is 0 for missing and for expired certificates.
///
/// >>> from trimtab import certs
/// >>> shown = certs.kubeadm_check_expiration({"items": {}}, version="1.31", now="2026-11-23T06:00:00Z")
/// >>> shown["exitCode"], shown["certificates"][0]["item"], shown["certificates"][0]["missing"]
/// (0, 'admin.conf', True)
/// >>> shown["stdout"].splitlines()[1].rstrip()
/// '!MISSING! admin.conf'
#[pyfunction]
#[pyo3(signature = (pki, /, *, version, now, config = None, output = None), text_signature = "(pki, /, *, version, now, config=None, output='text')")]
pub(crate) fn kubeadm_check_expiration<'py>(
    py: Python<'py>,
    pki: &Bound<'py, PyAny>,
    version: Version,
    now: Moment,
    config: Option<&Bound<'py, PyAny>>,
    output: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let pki: Pki = read(pki, "the PKI")?;
    let output: Output = output.map(|output| read(output, "output")).transpose()?.unwrap_or_default();
    let shown = check_expiration_with(&pki, &source(config)?, &output, version.0, now.0);
    stopping(write_dict(py, &shown)?, shown.stop.as_ref())
}

/// What `kubeadm certs renew` of a release would do at `now`: a dict with `exitCode`, `stop`, `outcomes` (each with its `losses`: what the
/// old certificate has and the new one would not), `writes` in order, and `stdout`. Nothing is run, nothing is written.
///
/// `pki` is what `kubeadm_pki` gave, `which` is `"all"` or a name, `config` as for `kubeadm_check_expiration`, `umask` what new files do
/// not get, `csr_dir` the directory of `--csr-only`.
///
/// Raises `InvalidInput`; its `path` names the field. `UnsupportedVersion`.
///
/// What surprises: all are renewed, due or not; and names, groups and usages come from the old certificate, not from the configuration.
///
/// >>> from trimtab import certs
/// >>> config = {"nodeName": "node-a", "advertiseAddress": "192.0.2.10"}
/// >>> pki = certs.kubeadm_init_forecast(config, version="1.31", now="2026-01-01T00:00:00Z")["pki"]
/// >>> asked = {"which": "apiserver", "config": {"file": config}}
/// >>> done = certs.kubeadm_renew_forecast(pki, **asked, version="1.37", now="2026-11-23T06:00:00Z")
/// >>> done["stdout"], [write["path"] for write in done["writes"]]
/// ('certificate for serving the Kubernetes API renewed\n', ['/etc/kubernetes/pki/apiserver.key', '/etc/kubernetes/pki/apiserver.crt'])
#[pyfunction]
#[pyo3(signature = (pki, /, *, which = Which(Selection::All), version, now, config = None, umask = 0o022, csr_dir = None),
       text_signature = "(pki, /, *, which='all', version, now, config=None, umask=0o022, csr_dir=None)")]
#[expect(clippy::too_many_arguments, reason = "all but one are keywords")]
pub(crate) fn kubeadm_renew_forecast<'py>(
    py: Python<'py>,
    pki: &Bound<'py, PyAny>,
    which: Which,
    version: Version,
    now: Moment,
    config: Option<&Bound<'py, PyAny>>,
    umask: u32,
    csr_dir: Option<String>,
) -> PyResult<Bound<'py, PyDict>> {
    let pki: Pki = read(pki, "the PKI")?;
    let renewal = Renewal { which: which.0, config: source(config)?, umask: Umask(umask), csr_dir };
    let done = renew::forecast(&renewal, &pki, version.0, now.0);
    stopping(write_dict(py, &done)?, done.stop.as_ref())
}

/// What `kubeadm init phase certs` or `init phase kubeconfig` of a release would make at `now` beside what is there: a dict with
/// `exitCode`, `stop`, `writes`, `made` and `stdout`.
///
/// `phase` is `"certs"` or `"kubeconfig"`, `config` what `kubeadm_config` gives or a part of it, `pki` what `kubeadm_pki` gave, by default
/// nothing.
///
/// Raises `InvalidInput`; its `path` names the field. `UnsupportedVersion`.
///
/// What surprises: an existing file is never overwritten, also where it is expired or says something else than the configuration.
///
/// >>> from trimtab import certs
/// >>> config = {"nodeName": "node-a", "advertiseAddress": "192.0.2.10"}
/// >>> made = certs.kubeadm_init_phase_forecast("certs", config=config, which="ca", version="1.37", now="2026-11-23T06:00:00Z")
/// >>> made["made"]["ca"]["certificate"]["notAfter"], [write["path"] for write in made["writes"]]
/// ('2036-11-20T06:00:00Z', ['/etc/kubernetes/pki/ca.key', '/etc/kubernetes/pki/ca.crt'])
#[pyfunction]
#[pyo3(signature = (phase, /, *, config, version, now, which = Which(Selection::All), pki = None, umask = 0o022),
       text_signature = "(phase, /, *, config, version, now, which='all', pki=None, umask=0o022)")]
#[expect(clippy::too_many_arguments, reason = "all but one are keywords")]
pub(crate) fn kubeadm_init_phase_forecast<'py>(
    py: Python<'py>,
    phase: &Bound<'py, PyAny>,
    config: &Bound<'py, PyAny>,
    version: Version,
    now: Moment,
    which: Which,
    pki: Option<&Bound<'py, PyAny>>,
    umask: u32,
) -> PyResult<Bound<'py, PyDict>> {
    let phase = match read(phase, "phase")? {
        NamedPhase::Certs => Phase::Certs(which.0),
        NamedPhase::Kubeconfig => Phase::Kubeconfig(which.0),
    };
    let config: Config = read(config, "the configuration")?;
    let pki = pki.map(|pki| read(pki, "the PKI")).transpose()?.unwrap_or_default();
    let made = init_phase::forecast(phase, &config, &pki, Umask(umask), version.0, now.0);
    stopping(write_dict(py, &made)?, made.stop.as_ref())
}

/// What both phases of `kubeadm init` of a release would make at `now` beside what is there: a dict with what `certs` and `kubeconfig` did,
/// the `pki` afterwards, which every forecast takes, and its `files`.
///
/// Raises `InvalidInput`; its `path` names the field. `UnsupportedVersion`.
///
/// >>> from trimtab import certs
/// >>> config = {"nodeName": "node-a", "advertiseAddress": "192.0.2.10"}
/// >>> made = certs.kubeadm_init_forecast(config, version="1.37", now="2026-11-23T06:00:00Z")
/// >>> len(made["files"]), made["pki"]["items"]["apiserver"]["certificate"]["readable"]["notAfter"]
/// (27, '2027-11-23T06:00:00Z')
#[pyfunction]
#[pyo3(signature = (config, /, *, version, now, pki = None, umask = 0o022),
       text_signature = "(config, /, *, version, now, pki=None, umask=0o022)")]
pub(crate) fn kubeadm_init_forecast<'py>(
    py: Python<'py>,
    config: &Bound<'py, PyAny>,
    version: Version,
    now: Moment,
    pki: Option<&Bound<'py, PyAny>>,
    umask: u32,
) -> PyResult<Bound<'py, PyDict>> {
    let config: Config = read(config, "the configuration")?;
    let pki = pki.map(|pki| read(pki, "the PKI")).transpose()?.unwrap_or_default();
    let made = init::forecast(&config, &pki, Umask(umask), version.0, now.0);
    let dict = write_dict(py, &made)?;
    for (name, stop) in [("certs", &made.certs.stop), ("kubeconfig", &made.kubeconfig.stop)] {
        stopping(dict.as_any().get_item(name)?.cast_into()?, stop.as_ref())?;
    }
    Ok(dict)
}

/// An item with what holds of it in every release.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemFacts {
    name: Item,
    base_name: &'static str,
    long_name: &'static str,
    files: Vec<String>,
    authority: Option<Item>,
    is_authority: bool,
    is_kubeconfig: bool,
    is_of_local_etcd: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum NamedPhase {
    Certs,
    Kubeconfig,
}

/// Beside the fields of a stop its message, which says what to do.
fn stopping<'py>(dict: Bound<'py, PyDict>, stop: Option<&Stop>) -> PyResult<Bound<'py, PyDict>> {
    if let Some(stop) = stop {
        dict.as_any().get_item("stop")?.set_item("message", stop.to_string())?;
    }
    Ok(dict)
}

/// The argument `config` of what asks the cluster where no file is given.
fn source(given: Option<&Bound<'_, PyAny>>) -> PyResult<ConfigSource> {
    given.map_or_else(|| Ok(ConfigSource::Defaults(Config::default())), |given| read(given, "config"))
}

/// An argument: one of kubeadm's names.
pub(crate) struct Named(pub(crate) Item);

impl<'py> FromPyObject<'_, 'py> for Named {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        given.cast::<PyString>()?.to_string_lossy().parse().or_raise().map(Self)
    }
}

/// The argument `which`: `"all"`, a name, or what `kubeadm_command` gave.
pub(crate) struct Which(Selection);

impl<'py> FromPyObject<'_, 'py> for Which {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match read(&given, "which") {
            Ok(selection) => Ok(Self(selection)),
            Err(_) => given.extract::<Named>().map(|name| Self(Selection::One(name.0))),
        }
    }
}

/// The argument `files`: a folder that stands for `/etc/kubernetes`, or paths with their contents.
pub(crate) enum NodeFiles {
    Folder(PathBuf),
    Given(Vec<(String, PyBackedBytes)>),
}

impl<'py> FromPyObject<'_, 'py> for NodeFiles {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(mapping) = given.cast::<PyMapping>() {
            return mapping.items()?.extract().map(Self::Given);
        }
        let folder = given.extract()?;
        // A folder that is not there is a slip of the caller's, not a node without certificates.
        given.py().import("os")?.call_method1("listdir", (given,))?;
        Ok(Self::Folder(folder))
    }
}

fn seen(files: Vec<(String, PyBackedBytes)>) -> Files {
    files.into_iter().map(|(path, contents)| (path, FileSeen::Contents(contents.to_vec()))).collect()
}

fn files_below(folder: &Path, certificates_dir: &str) -> Files {
    let paths = Item::ALL.into_iter().flat_map(|item| item.files(certificates_dir));
    paths.filter_map(|path| Some((path.clone(), file(&on_disk(folder, &path))?))).collect()
}

fn on_disk(folder: &Path, path: &str) -> PathBuf {
    Path::new(path).strip_prefix(KUBERNETES_DIR).map_or_else(|_| PathBuf::from(path), |rest| folder.join(rest))
}

/// None for what is not there: no file, a directory, a symbolic link to nowhere.
fn file(path: &Path) -> Option<FileSeen> {
    match contents(path) {
        Ok(bytes) => Some(FileSeen::Contents(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => None,
        Err(error) => Some(FileSeen::Unreadable(error.to_string())),
    }
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let kind = fs::metadata(path)?;
    // A pipe would wait in `open` for whoever writes to it.
    if !kind.is_file() {
        return Err(if kind.is_dir() { ErrorKind::IsADirectory.into() } else { io::Error::other("it is no regular file") });
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("it is longer than {MAX_FILE_BYTES} bytes")));
    }
    Ok(bytes)
}
