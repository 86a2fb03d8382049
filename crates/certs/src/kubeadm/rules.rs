//! What differs between the kubeadms of the releases, as tables.
//!
//! "Executed" names releases whose kubeadm was run: 1.20.15, 1.22.17, 1.24.17, 1.28.15, 1.29.6, 1.30.4, 1.31.0, 1.34.4, 1.35.4,
//! 1.36.3 and 1.37.2. Where a change lies between two of them that are not neighbours, the row says between which, and what the
//! release in between was chosen by. Of those below 1.20, 1.16.15 and 1.18.19 were run over one PKI: healthy, with a file missing,
//! with two certificates in a file, with the key of an authority gone. 1.17.17 and 1.19.16 were read where a row says so. The rest of what
//! holds below 1.20 is taken from 1.20; of 1.12 to 1.15 nothing was run.

use serde::{Deserialize, Serialize};
use trimtab_core::{KubeVersion, Row, Since};

/// The rules of one release's kubeadm.
///
/// ```
/// use trimtab_certs::kubeadm::KubeadmRules;
/// use trimtab_core::KubeVersion;
///
/// let admin = |minor| KubeVersion::new(minor).map(|version| KubeadmRules::at(version).admin_organization);
/// assert_eq!([admin(28)?, admin(29)?], ["system:masters", "kubeadm:cluster-admins"]);
/// # Ok::<(), trimtab_core::version::VersionError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "each is one row of a table, on or off")]
pub struct KubeadmRules {
    /// How the commands are called.
    pub commands: Commands,
    /// Whether leaves carry basic constraints (critical, `CA:FALSE`).
    pub leaf_basic_constraints: bool,
    /// Whether a new authority carries its common name as a DNS name.
    pub ca_has_san: bool,
    /// How many seconds before its making a new authority starts to be valid.
    pub ca_backdate_seconds: i64,
    /// Where the validity of `pki/*.crt` starts, when made and when renewed, and that of a kubeconfig when renewed.
    pub leaf_not_before: NotBefore,
    /// Where the validity of a kubeconfig's certificate starts when it is made. Never followed the change that renewal saw.
    pub kubeconfig_not_before: NotBefore,
    /// The group of `admin.conf`.
    pub admin_organization: &'static str,
    /// Whether there is a `super-admin.conf`, with the group `system:masters`.
    pub super_admin: bool,
    /// The group of `apiserver-kubelet-client`.
    pub kubelet_client_organization: Option<&'static str>,
    /// The group of `apiserver-etcd-client` and `etcd-healthcheck-client`.
    pub etcd_client_organization: Option<&'static str>,
    /// Which groups a renewal rewrites.
    pub organization_rewrite: OrganizationRewrite,
    /// Which key kinds can be wished for, and how.
    pub encryption: Encryption,
    /// Which keys of new kubeconfigs follow the wish; those of renewed ones always did.
    pub kubeconfig_keys: KubeconfigKeys,
    /// How the subject key identifier of a new authority is computed.
    pub subject_key_id: super::facts::KeyIdKind,
    /// The API versions of a configuration file that are read without a flag, newest last.
    pub config_api_versions: &'static [&'static str],
    /// Which of these it warns about.
    pub deprecated_config_api_versions: &'static [&'static str],
    /// Whether two service subnets take the gate `IPv6DualStack`.
    pub dual_stack_takes_gate: bool,
    /// Where a new `kubelet.conf` points.
    pub kubelet_server: KubeletServer,
    /// Whether a written kubeconfig has the key `preferences` even if it is empty.
    pub writes_empty_preferences: bool,
    /// How a remaining time is written.
    pub residual: Residual,
    /// The formats that `check-expiration -o` takes; `None` where there is no such flag.
    pub outputs: Option<&'static [&'static str]>,
    /// When the first table is printed.
    pub table: TablePrinted,
    /// Whether there is a table of authorities at all.
    pub ca_table: bool,
    /// Of which leaves the table names the authority.
    pub named_authorities: NamedAuthorities,
    /// Whether a missing certificate is told and passed over, rather than stopping the command.
    pub passes_over_missing: bool,
    /// Whether a file in `pki` has to hold exactly one certificate; otherwise the first one counts.
    pub wants_one_certificate: bool,
    /// Whether a kubeconfig is read only where `ca.crt` and `ca.key` can be.
    pub kubeconfig_wants_ca_key: bool,
    /// Whether a renewed kubeconfig gets the first certificate of `ca.crt` as its authority; otherwise it keeps what it has.
    pub refreshes_ca_data: bool,
    /// Whether the key of etcd's authority may be elsewhere, so that its leaves are told and not renewed.
    pub external_etcd_ca: bool,
    /// Whether `renew all` says at its end what has to be restarted.
    pub says_done: bool,
    /// Whether the cluster is asked for its configuration where no file is given; otherwise the defaults count.
    pub asks_cluster: bool,
    /// Which lines tell that the cluster is asked for its configuration.
    pub fallback: Fallback,
    /// Whether error lines start with `error: `.
    pub error_prefix: bool,
    /// The exit code where validation finds a value of the configuration wrong.
    pub validation_exit_code: i32,
    /// What a second name on the command line does.
    pub extra_names: ExtraNames,
    /// Whether `renew` knows `--csr-only` and `--csr-dir`.
    pub csr_only: bool,
    /// How an existing leaf is verified: in an external PKI, and by `init phase certs`.
    pub verification: Verification,
    /// Whether `init phase certs sa` takes `--config`.
    pub sa_takes_config: bool,
    /// Whether kubeconfigs are renewed as well.
    pub renews_kubeconfigs: bool,
    /// What `init phase` wants of the authority data in an existing kubeconfig.
    pub kubeconfig_ca: KubeconfigCa,
    /// Where the warning goes that the port of `controlPlaneEndpoint` is not `bindPort`.
    pub endpoint_warning: EndpointWarning,
}

impl KubeadmRules {
    /// How long a leaf is valid where the configuration says nothing: 8,760 hours.
    pub const VALIDITY_SECONDS: i64 = 8760 * 3600;
    /// How long an authority is valid where the configuration says nothing: 87,600 hours.
    pub const CA_VALIDITY_SECONDS: i64 = 87_600 * 3600;

    /// The rules that hold in `version`.
    #[must_use]
    pub fn at(version: KubeVersion) -> Self {
        let [config_api_versions, deprecated_config_api_versions] = *CONFIG_API_VERSIONS.at(version);
        Self {
            commands: *COMMANDS.at(version),
            leaf_basic_constraints: *LEAF_BASIC_CONSTRAINTS.at(version),
            ca_has_san: *CA_HAS_SAN.at(version),
            ca_backdate_seconds: *CA_BACKDATE_SECONDS.at(version),
            leaf_not_before: *LEAF_NOT_BEFORE.at(version),
            kubeconfig_not_before: *KUBECONFIG_NOT_BEFORE.at(version),
            admin_organization: ADMIN_ORGANIZATION.at(version),
            super_admin: *SUPER_ADMIN.at(version),
            kubelet_client_organization: *KUBELET_CLIENT_ORGANIZATION.at(version),
            etcd_client_organization: *ETCD_CLIENT_ORGANIZATION.at(version),
            organization_rewrite: *ORGANIZATION_REWRITE.at(version),
            encryption: *ENCRYPTION.at(version),
            kubeconfig_keys: *KUBECONFIG_KEYS.at(version),
            subject_key_id: *SUBJECT_KEY_ID.at(version),
            config_api_versions,
            deprecated_config_api_versions,
            dual_stack_takes_gate: *DUAL_STACK_TAKES_GATE.at(version),
            kubelet_server: *KUBELET_SERVER.at(version),
            writes_empty_preferences: *WRITES_EMPTY_PREFERENCES.at(version),
            residual: *RESIDUAL.at(version),
            outputs: *OUTPUTS.at(version),
            table: *TABLE.at(version),
            ca_table: *CA_TABLE.at(version),
            named_authorities: *NAMED_AUTHORITIES.at(version),
            passes_over_missing: *PASSES_OVER_MISSING.at(version),
            wants_one_certificate: *WANTS_ONE_CERTIFICATE.at(version),
            kubeconfig_wants_ca_key: *KUBECONFIG_WANTS_CA_KEY.at(version),
            refreshes_ca_data: *REFRESHES_CA_DATA.at(version),
            external_etcd_ca: *EXTERNAL_ETCD_CA.at(version),
            says_done: *SAYS_DONE.at(version),
            asks_cluster: *ASKS_CLUSTER.at(version),
            fallback: *FALLBACK.at(version),
            error_prefix: *ERROR_PREFIX.at(version),
            validation_exit_code: *VALIDATION_EXIT_CODE.at(version),
            extra_names: *EXTRA_NAMES.at(version),
            csr_only: *CSR_ONLY.at(version),
            verification: *VERIFICATION.at(version),
            sa_takes_config: *SA_TAKES_CONFIG.at(version),
            renews_kubeconfigs: *RENEWS_KUBECONFIGS.at(version),
            kubeconfig_ca: *KUBECONFIG_CA.at(version),
            endpoint_warning: *ENDPOINT_WARNING.at(version),
        }
    }
}

/// How the commands about certificates are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Commands {
    /// Makes what is missing; the name of the file follows.
    pub init_certs: &'static str,
    /// Makes the kubeconfigs that are missing.
    pub init_kubeconfig: &'static str,
    /// Renews, where a release can; the name or `all` follows.
    pub renew: Option<&'static str>,
    /// Shows what expires when, where a release can.
    pub check_expiration: Option<&'static str>,
}

/// Where the validity of a new certificate starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NotBefore {
    /// Where that of its authority starts, however long ago that is.
    OfAuthority,
    /// Five minutes before it is made.
    Backdated,
}

/// Which groups a renewal rewrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OrganizationRewrite {
    /// None: what the old certificate says stays.
    Never,
    /// `apiserver-kubelet-client` loses `system:masters` and gains `kubeadm:cluster-admins`; the two etcd clients lose
    /// `system:masters`. As a set, so other groups stay.
    DropSystemMasters,
}

/// Which key kinds can be wished for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Encryption {
    /// RSA-2048 alone.
    None,
    /// The gate `PublicKeysECDSA` asks for ECDSA P-256.
    Gate,
    /// The field `encryptionAlgorithm` of v1beta4 with these values; the gate beside it in older API versions.
    Field(&'static [&'static str]),
}

/// Whether the keys of new kubeconfigs follow the wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KubeconfigKeys {
    /// RSA-2048 whatever was wished for.
    AlwaysRsa,
    /// As wished.
    AsWished,
}

/// Where a new `kubelet.conf` points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KubeletServer {
    /// To `controlPlaneEndpoint`, where there is one.
    ControlPlaneEndpoint,
    /// To the API server of its own node.
    LocalApiEndpoint,
}

/// How a remaining time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Residual {
    /// [`short_human_duration`](crate::human_duration::short_human_duration).
    Short,
    /// [`human_duration`](crate::human_duration::human_duration).
    Human,
}

/// Of which leaves the table names the authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NamedAuthorities {
    /// Of none: the table has no such column.
    None,
    /// Of those in `pki`; the cell of a kubeconfig is empty.
    OfFiles,
    /// Of all.
    OfAll,
}

/// When the table of leaves is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TablePrinted {
    /// Before the authorities are looked at: it stands there even if one of them fails.
    BeforeAuthorities,
    /// When everything is known: nothing is printed if something fails.
    AtEnd,
}

/// Which lines tell that the cluster is asked for its configuration; the name of the command stands before each in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    /// Before it is asked.
    pub reading: [&'static str; 2],
    /// When it did not answer and the defaults are taken.
    pub defaults: &'static str,
}

/// What a second name on the command line of `renew` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExtraNames {
    /// Nothing: the first is renewed, the others are not, and the exit code is 0.
    Ignored,
    /// An error; nothing is renewed.
    Refused,
}

/// How an existing leaf is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verification {
    /// Its signature alone, with its private key loaded as well; dates do not matter.
    SignatureOfPair,
    /// Go's chain verification: the dates of leaf and authority count. `init phase certs` does not look for the private key.
    Chain,
}

/// What `init phase` wants of the authority data in an existing kubeconfig.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KubeconfigCa {
    /// That it is the first certificate of `ca.crt`, and nothing else.
    Equal,
    /// That this certificate is in it.
    Contained,
}

/// Where the warning goes that the port of `controlPlaneEndpoint` is not `bindPort`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndpointWarning {
    /// To the standard output, before each kubeconfig.
    Stdout,
    /// To the log.
    Log,
}

static COMMANDS: Since<Commands> = Since::new(&[
    Row::new(
        12,
        Commands {
            init_certs: "kubeadm alpha phase certs",
            init_kubeconfig: "kubeadm alpha phase kubeconfig",
            renew: Some("kubeadm alpha phase certs renew"),
            check_expiration: None,
        },
        "cmd/kubeadm/app/cmd/phases/certs.go@v1.12.10; not executed",
    ),
    Row::new(
        13,
        Commands {
            init_certs: "kubeadm init phase certs",
            init_kubeconfig: "kubeadm init phase kubeconfig",
            renew: Some("kubeadm alpha certs renew"),
            check_expiration: None,
        },
        "cmd/kubeadm/app/cmd/alpha/certs.go@v1.13.12; not executed",
    ),
    Row::new(
        15,
        Commands {
            init_certs: "kubeadm init phase certs",
            init_kubeconfig: "kubeadm init phase kubeconfig",
            renew: Some("kubeadm alpha certs renew"),
            check_expiration: Some("kubeadm alpha certs check-expiration"),
        },
        "kubernetes PR 77863 (1.15), executed 1.16.15, 1.18.19",
    ),
    Row::new(
        20,
        Commands {
            init_certs: "kubeadm init phase certs",
            init_kubeconfig: "kubeadm init phase kubeconfig",
            renew: Some("kubeadm certs renew"),
            check_expiration: Some("kubeadm certs check-expiration"),
        },
        "executed 1.20.15",
    ),
]);

static LEAF_BASIC_CONSTRAINTS: Since<bool> = Since::new(&[
    Row::new(12, false, "executed 1.16.15, 1.18.19, 1.20.15: none"),
    Row::new(22, true, "executed 1.22.17; 1.21 was not run, and may have them"),
]);

static CA_HAS_SAN: Since<bool> = Since::new(&[
    Row::new(12, false, "executed 1.16.15, 1.18.19, 1.20.15: none"),
    Row::new(22, true, "executed 1.22.17; 1.21 was not run, and may have it"),
]);

/// The back-ports of PR 118922 were read in its thread for 1.25 and 1.26; the patches are those of the month after it was merged.
static CA_BACKDATE_SECONDS: Since<i64> = Since::new(&[
    Row::new(12, 0, "executed 1.20.15, 1.22.17, 1.24.17"),
    Row::patch(25, 12, 300, "kubernetes PR 118922, back-ported; the patch is inferred"),
    Row::new(26, 0, "before PR 118922"),
    Row::patch(26, 7, 300, "kubernetes PR 118922, back-ported; the patch is inferred"),
    Row::new(27, 0, "before PR 118922"),
    Row::patch(27, 4, 300, "kubernetes PR 118922, back-ported; the patch is inferred"),
    Row::new(28, 300, "executed 1.28.15"),
]);

static LEAF_NOT_BEFORE: Since<NotBefore> =
    Since::new(&[Row::new(12, NotBefore::OfAuthority, "executed 1.20.15 to 1.30.4"), Row::new(31, NotBefore::Backdated, "executed 1.31.0")]);

static KUBECONFIG_NOT_BEFORE: Since<NotBefore> = Since::new(&[Row::new(12, NotBefore::OfAuthority, "executed 1.20.15 to 1.37.2")]);

static ADMIN_ORGANIZATION: Since<&str> =
    Since::new(&[Row::new(12, "system:masters", "executed 1.20.15 to 1.28.15"), Row::new(29, "kubeadm:cluster-admins", "executed 1.29.6")]);

static SUPER_ADMIN: Since<bool> =
    Since::new(&[Row::new(12, false, "executed 1.20.15 to 1.28.15"), Row::new(29, true, "kubernetes PR 121305, executed 1.29.6")]);

static KUBELET_CLIENT_ORGANIZATION: Since<Option<&str>> = Since::new(&[
    Row::new(12, Some("system:masters"), "executed 1.20.15 to 1.28.15"),
    Row::new(29, Some("kubeadm:cluster-admins"), "kubernetes PR 121837, executed 1.29.6 to 1.35.4"),
    Row::new(36, None, "executed 1.36.3, 1.37.2"),
]);

static ETCD_CLIENT_ORGANIZATION: Since<Option<&str>> =
    Since::new(&[Row::new(12, Some("system:masters"), "executed 1.20.15 to 1.28.15"), Row::new(29, None, "executed 1.29.6")]);

static ORGANIZATION_REWRITE: Since<OrganizationRewrite> = Since::new(&[
    Row::new(12, OrganizationRewrite::Never, "executed 1.20.15 to 1.28.15"),
    Row::new(29, OrganizationRewrite::DropSystemMasters, "executed 1.29.6"),
    Row::new(30, OrganizationRewrite::Never, "executed 1.30.4"),
]);

static ENCRYPTION: Since<Encryption> = Since::new(&[
    Row::new(12, Encryption::None, "before kubernetes PR 86953; not executed"),
    Row::new(18, Encryption::Gate, "kubernetes PR 86953 (1.18); executed 1.20.15 to 1.30.4"),
    Row::new(31, Encryption::Field(&["ECDSA-P256", "RSA-2048", "RSA-3072", "RSA-4096"]), "executed 1.31.0: P-384 is refused"),
    Row::new(
        34,
        Encryption::Field(&["ECDSA-P256", "ECDSA-P384", "RSA-2048", "RSA-3072", "RSA-4096"]),
        "kubernetes PR 131677 of May 2025, executed 1.34.4",
    ),
]);

static KUBECONFIG_KEYS: Since<KubeconfigKeys> = Since::new(&[
    Row::new(12, KubeconfigKeys::AlwaysRsa, "executed 1.20.15 to 1.30.4"),
    Row::new(31, KubeconfigKeys::AsWished, "kubernetes PR 125388, executed 1.31.0"),
]);

static SUBJECT_KEY_ID: Since<super::facts::KeyIdKind> = Since::new(&[
    Row::new(12, super::facts::KeyIdKind::Sha1, "executed 1.20.15 to 1.34.4; Go's, by the release's go.mod"),
    Row::new(35, super::facts::KeyIdKind::Sha256Truncated, "executed 1.35.4; Go's since its 1.25"),
]);

/// What is read, and which of that is warned about.
static CONFIG_API_VERSIONS: Since<[&[&str]; 2]> = Since::new(&[
    Row::new(12, [&["v1alpha2", "v1alpha3"], &["v1alpha2"]], "cmd/kubeadm/app/apis/kubeadm@v1.12.10; not executed"),
    Row::new(13, [&["v1alpha3", "v1beta1"], &["v1alpha3"]], "cmd/kubeadm/app/apis/kubeadm@v1.13.12; not executed"),
    Row::new(15, [&["v1beta1", "v1beta2"], &[]], "cmd/kubeadm/app/apis/kubeadm@v1.15.12; not executed"),
    Row::new(20, [&["v1beta1", "v1beta2"], &["v1beta1"]], "executed 1.20.15"),
    Row::new(22, [&["v1beta2", "v1beta3"], &[]], "executed 1.22.17"),
    Row::new(24, [&["v1beta2", "v1beta3"], &["v1beta2"]], "executed 1.24.17; 1.23 was not run, and may warn"),
    Row::new(27, [&["v1beta3"], &[]], "executed 1.28.15; the change log of 1.27 says v1beta2 is gone"),
    Row::new(31, [&["v1beta3", "v1beta4"], &["v1beta3"]], "executed 1.31.0 to 1.36.3; v1beta4 was experimental before"),
    Row::new(37, [&["v1beta4"], &[]], "executed 1.37.2"),
]);

static DUAL_STACK_TAKES_GATE: Since<bool> = Since::new(&[
    Row::new(12, true, "executed 1.20.15 with the gate on"),
    Row::new(21, false, "the gate is on from 1.21 on; executed 1.22.17 without naming it"),
]);

static KUBELET_SERVER: Since<KubeletServer> = Since::new(&[
    Row::new(12, KubeletServer::ControlPlaneEndpoint, "executed 1.20.15 to 1.31.0"),
    Row::new(33, KubeletServer::LocalApiEndpoint, "kubernetes PR 129956; kubeadm issue 3243 sees it in 1.33.2; executed 1.34.4"),
]);

static WRITES_EMPTY_PREFERENCES: Since<bool> = Since::new(&[
    Row::new(12, true, "executed 1.20.15 to 1.31.0"),
    Row::new(34, false, "executed 1.34.4; client-go 0.34 marks the field as to be left out if empty"),
]);

static RESIDUAL: Since<Residual> =
    Since::new(&[Row::new(12, Residual::Short, "executed 1.20.15 to 1.30.4"), Row::new(31, Residual::Human, "executed 1.31.0")]);

static OUTPUTS: Since<Option<&[&str]>> = Since::new(&[
    Row::new(12, None, "executed 1.20.15 to 1.29.6"),
    Row::new(
        30,
        Some(&[
            "go-template",
            "go-template-file",
            "json",
            "jsonpath",
            "jsonpath-as-json",
            "jsonpath-file",
            "template",
            "templatefile",
            "text",
            "yaml",
        ]),
        "kubernetes PR 123372, executed 1.30.4",
    ),
    Row::new(
        35,
        Some(&[
            "go-template",
            "go-template-file",
            "json",
            "jsonpath",
            "jsonpath-as-json",
            "jsonpath-file",
            "kyaml",
            "template",
            "templatefile",
            "text",
            "yaml",
        ]),
        "executed 1.35.4; 1.34.4 has no kyaml",
    ),
]);

static TABLE: Since<TablePrinted> =
    Since::new(&[Row::new(12, TablePrinted::BeforeAuthorities, "executed 1.20.15 to 1.29.6"), Row::new(30, TablePrinted::AtEnd, "executed 1.30.4")]);

static NAMED_AUTHORITIES: Since<NamedAuthorities> = Since::new(&[
    Row::new(12, NamedAuthorities::None, "executed 1.16.15"),
    Row::new(17, NamedAuthorities::OfFiles, "cmd/alpha/certs.go@v1.17.17, executed 1.18.19; phases/certs/renewal/manager.go@v1.19.16 is the same"),
    Row::new(20, NamedAuthorities::OfAll, "executed 1.20.15"),
]);

static PASSES_OVER_MISSING: Since<bool> =
    Since::new(&[Row::new(12, false, "executed 1.16.15"), Row::new(17, true, "cmd/kubeadm/app/cmd/alpha/certs.go@v1.17.17, executed 1.18.19")]);

static WANTS_ONE_CERTIFICATE: Since<bool> = Since::new(&[
    Row::new(12, true, "executed 1.16.15, 1.18.19; phases/certs/renewal/readwriter.go@v1.19.16 is the same"),
    Row::new(20, false, "executed 1.20.15"),
]);

static KUBECONFIG_WANTS_CA_KEY: Since<bool> = Since::new(&[
    Row::new(12, false, "executed 1.16.15; phases/certs/renewal/readwriter.go@v1.17.17 is the same"),
    Row::new(18, true, "executed 1.18.19; readwriter.go@v1.19.16 is the same"),
    Row::new(20, false, "executed 1.20.15"),
]);

static REFRESHES_CA_DATA: Since<bool> = Since::new(&[
    Row::new(12, false, "kubeadm issue 2027; phases/certs/renewal/readwriter.go@v1.16.15, v1.17.17"),
    Row::new(18, true, "phases/certs/renewal/readwriter.go@v1.18.19; executed 1.20.15"),
]);

static EXTERNAL_ETCD_CA: Since<bool> = Since::new(&[
    Row::new(12, false, "executed 1.16.15, 1.18.19; IsExternallyManaged, phases/certs/renewal/manager.go@v1.19.16 is the same"),
    Row::new(20, true, "executed 1.20.15"),
]);

static SAYS_DONE: Since<bool> = Since::new(&[
    Row::new(12, false, "executed 1.16.15, 1.18.19; cmd/alpha/certs.go@v1.19.16 does not say it either"),
    Row::new(20, true, "executed 1.20.15"),
]);

static ASKS_CLUSTER: Since<bool> =
    Since::new(&[Row::new(12, false, "executed 1.16.15"), Row::new(17, true, "cmd/alpha/certs.go@v1.17.17, executed 1.18.19")]);

static CA_TABLE: Since<bool> =
    Since::new(&[Row::new(12, false, "executed 1.16.15"), Row::new(17, true, "kubernetes PR 83932 (1.17), executed 1.18.19")]);

const DEFAULTS: &str = "Error reading configuration from the Cluster. Falling back to default configuration";

static FALLBACK: Since<Fallback> = Since::new(&[
    Row::new(
        12,
        Fallback {
            reading: [
                "Reading configuration from the cluster...",
                "FYI: You can look at this config file with 'kubectl -n kube-system get cm kubeadm-config -oyaml'",
            ],
            defaults: DEFAULTS,
        },
        "executed 1.18.19; util/config/cluster.go@v1.19.16 is the same",
    ),
    Row::new(
        20,
        Fallback {
            reading: [
                "Reading configuration from the cluster...",
                "FYI: You can look at this config file with 'kubectl -n kube-system get cm kubeadm-config -o yaml'",
            ],
            defaults: DEFAULTS,
        },
        "executed 1.20.15 to 1.31.0",
    ),
    Row::new(
        32,
        Fallback {
            reading: [
                "Reading configuration from the \"kubeadm-config\" ConfigMap in namespace \"kube-system\"...",
                "Use 'kubeadm init phase upload-config --config your-config.yaml' to re-upload it.",
            ],
            defaults: DEFAULTS,
        },
        "lines that upgrades of 1.32 print; check-expiration of 1.32 was not run",
    ),
    Row::new(
        33,
        Fallback {
            reading: [
                "Reading configuration from the \"kubeadm-config\" ConfigMap in namespace \"kube-system\"...",
                "Use 'kubeadm init phase upload-config kubeadm --config your-config-file' to re-upload it.",
            ],
            defaults: DEFAULTS,
        },
        "executed 1.34.4; 1.33 was not run",
    ),
]);

static ERROR_PREFIX: Since<bool> = Since::new(&[
    Row::new(12, false, "executed 1.20.15 to 1.31.0"),
    Row::new(34, true, "executed 1.34.4; 1.32 and 1.33 were not run, and may have it"),
]);

static VALIDATION_EXIT_CODE: Since<i32> =
    Since::new(&[Row::new(12, 3, "executed 1.20.15 to 1.31.0"), Row::new(34, 1, "executed 1.34.4; 1.32 and 1.33 were not run, and may exit with 1")]);

static EXTRA_NAMES: Since<ExtraNames> = Since::new(&[
    Row::new(12, ExtraNames::Ignored, "executed 1.16.15, 1.18.19, 1.20.15, 1.22.17, 1.24.17"),
    Row::new(25, ExtraNames::Refused, "executed 1.28.15; 1.25 to 1.27 were not run"),
]);

static CSR_ONLY: Since<bool> = Since::new(&[
    Row::new(12, false, "before 1.15; not executed"),
    Row::new(15, true, "executed 1.16.15, 1.18.19, 1.20.15, and 1.22.17, which says deprecated"),
    Row::new(23, false, "executed 1.24.17; 1.23 was not run, and is the first after the deprecation"),
]);

static VERIFICATION: Since<Verification> = Since::new(&[
    Row::new(12, Verification::SignatureOfPair, "executed 1.20.15; cmd/kubeadm/app/phases/certs/certs.go at 1.13"),
    Row::new(21, Verification::Chain, "kubernetes PR 97266 of December 2020 (1.21), executed 1.22.17"),
]);

static SA_TAKES_CONFIG: Since<bool> = Since::new(&[Row::new(12, false, "executed 1.20.15 to 1.30.4"), Row::new(31, true, "executed 1.31.0")]);

static RENEWS_KUBECONFIGS: Since<bool> = Since::new(&[
    Row::new(12, false, "kubeadm issue 1361; not executed"),
    Row::new(15, true, "executed 1.16.15, 1.18.19, 1.20.15; 1.15 by its change log"),
]);

static KUBECONFIG_CA: Since<KubeconfigCa> = Since::new(&[
    Row::new(12, KubeconfigCa::Equal, "executed 1.20.15 to 1.30.4; kubeadm issue 3011"),
    Row::new(31, KubeconfigCa::Contained, "kubernetes PR 123102, executed 1.31.0"),
]);

static ENDPOINT_WARNING: Since<EndpointWarning> = Since::new(&[
    Row::new(12, EndpointWarning::Stdout, "executed 1.20.15, 1.22.17"),
    Row::new(23, EndpointWarning::Log, "executed 1.24.17; 1.23 was not run, and may print it"),
]);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(version: &str) -> KubeadmRules {
        KubeadmRules::at(version.parse().unwrap())
    }

    #[test]
    fn only_1_29_rewrites_groups() {
        let rewrite = ["1.28.15", "1.29.0", "1.29", "1.30.0"].map(|version| at(version).organization_rewrite);
        let [never, drops] = [OrganizationRewrite::Never, OrganizationRewrite::DropSystemMasters];
        assert_eq!(rewrite, [never, drops, drops, never]);
    }

    #[test]
    fn back_dating_came_with_patches_too() {
        let backdate = ["1.24.17", "1.25.0", "1.25.16", "1.26.0", "1.26", "1.28.0"].map(|version| at(version).ca_backdate_seconds);
        assert_eq!(backdate, [0, 0, 300, 0, 300, 300]);
    }

    #[test]
    fn before_1_20_little_was_passed_over() {
        let rules = ["1.16", "1.18", "1.19", "1.20"].map(at);
        assert_eq!(rules.map(|rules| rules.passes_over_missing), [false, true, true, true]);
        assert_eq!(rules.map(|rules| rules.wants_one_certificate), [true, true, true, false]);
        assert_eq!(rules.map(|rules| rules.kubeconfig_wants_ca_key), [false, true, true, false]);
        assert_eq!(rules.map(|rules| rules.external_etcd_ca), [false, false, false, true]);
    }

    #[test]
    fn v1beta4_is_the_last_one_standing() {
        assert_eq!(at("1.36").config_api_versions, ["v1beta3", "v1beta4"]);
        assert_eq!(at("1.37").config_api_versions, ["v1beta4"]);
    }
}
