//! A Cloud SQL instance: its authority, its certificate, and what is told of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, PublicKeyData, SerialNumber, SignatureAlgorithm,
    date_time_ymd,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, version};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};
use serde_json::{Value, json};
use tokio::task::AbortHandle;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::stream::Address;

/// Who signs the certificates of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaMode {
    /// An authority of the instance's own; the certificate names `project:instance`.
    PerInstance,
    /// An authority shared by many; the certificate carries the instance's DNS name.
    Shared,
    /// One of the customer's own; the certificate carries the instance's DNS name.
    Customer,
}

/// What an instance is.
#[derive(Debug, Clone)]
pub struct InstanceOptions {
    /// `project:region:name`; the project may have a domain before it.
    pub name: String,
    /// Who signs.
    pub ca_mode: CaMode,
    /// Addresses by kind: `PRIMARY`, `PRIVATE`.
    pub addresses: Vec<(&'static str, String)>,
    /// What it is told to be called in DNS.
    pub dns_name: Option<String>,
    /// Whether its certificate carries that name.
    pub certificate_has_name: bool,
    /// The name to reach it by Private Service Connect.
    pub psc_name: Option<String>,
    /// `SECOND_GEN`, or something that connectors do not speak to.
    pub backend: &'static str,
    /// `POSTGRES_15` and the like.
    pub version: &'static str,
    /// How long certificates of clients live.
    pub certificate_life: Duration,
}

impl InstanceOptions {
    /// One with a public address on this host and an authority of its own.
    pub fn new(name: &str) -> InstanceOptions {
        InstanceOptions {
            name: name.to_owned(),
            ca_mode: CaMode::PerInstance,
            addresses: vec![("PRIMARY", "127.0.0.1".to_owned())],
            dns_name: None,
            certificate_has_name: false,
            psc_name: None,
            backend: "SECOND_GEN",
            version: "POSTGRES_15",
            certificate_life: Duration::from_secs(3_600),
        }
    }

    /// One of an authority that signs for many, called this in DNS.
    pub fn shared(name: &str, dns_name: &str) -> InstanceOptions {
        InstanceOptions {
            ca_mode: CaMode::Shared,
            dns_name: Some(dns_name.to_owned()),
            certificate_has_name: true,
            ..InstanceOptions::new(name)
        }
    }

    /// Project, region and name.
    pub(crate) fn parts(&self) -> (&str, &str, &str) {
        let (rest, name) = self.name.rsplit_once(':').expect("project:region:name");
        let (project, region) = rest.rsplit_once(':').expect("project:region:name");
        (project, region, name)
    }
}

/// An instance that is served.
pub(crate) struct Held {
    pub(crate) options: InstanceOptions,
    pub(crate) identity: Identity,
    pub(crate) certificates: u64,
    pub(crate) open: Arc<()>,
    pub(crate) direct: Address,
    pub(crate) trusted: Address,
    pub(crate) iam: HashSet<String>,
    pub(crate) connections: Vec<AbortHandle>,
}

/// Keys and certificates of an instance, of one generation.
pub(crate) struct Identity {
    authority: CertifiedIssuer<'static, KeyPair>,
    /// What the proxy shows and demands.
    pub(crate) tls: Arc<ServerConfig>,
}

impl Identity {
    pub(crate) fn new(options: &InstanceOptions) -> Identity {
        let mut params = CertificateParams::default();
        let common = match options.ca_mode {
            CaMode::PerInstance => "Google Cloud SQL Server CA",
            CaMode::Shared => "Google Cloud SQL Shared CA",
            CaMode::Customer => "Customer CA",
        };
        params.distinguished_name.push(DnType::CommonName, common);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(2070, 1, 1));
        let key = KeyPair::generate().expect("make a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("sign it");
        let tls = server_config(options, &authority);
        Identity { authority, tls }
    }

    /// Signs the public key of a client; the certificate carries who it is.
    pub(crate) fn sign(
        &self,
        public_key_pem: &str,
        principal: Option<&str>,
        life: Duration,
    ) -> Result<String, String> {
        let key = rsa_key(public_key_pem)?;
        let mut params = CertificateParams::default();
        let name = &mut params.distinguished_name;
        name.push(DnType::OrganizationName, "Google, Inc");
        name.push(DnType::CommonName, principal.unwrap_or(NOBODY));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from(getrandom::u64().unwrap_or(7)));
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(1970, 1, 1) + now + life;
        let signed = params
            .signed_by(&key, &self.authority)
            .map_err(|error| error.to_string())?;
        Ok(signed.pem())
    }

    /// What the metadata say of it.
    pub(crate) fn settings(&self, options: &InstanceOptions) -> Value {
        let (project, region, _) = options.parts();
        let addresses: Vec<Value> = options
            .addresses
            .iter()
            .map(|(kind, address)| json!({ "type": kind, "ipAddress": address }))
            .collect();
        let mode = match options.ca_mode {
            CaMode::PerInstance => "GOOGLE_MANAGED_INTERNAL_CA",
            CaMode::Shared => "GOOGLE_MANAGED_CAS_CA",
            CaMode::Customer => "CUSTOMER_MANAGED_CAS_CA",
        };
        let mut names = Vec::new();
        if let Some(name) = &options.psc_name {
            names.push(json!({
                "name": name, "connectionType": "PRIVATE_SERVICE_CONNECT", "dnsScope": "INSTANCE",
            }));
        }
        if let Some(name) = &options.dns_name {
            names.push(json!({
                "name": name, "connectionType": "PUBLIC", "dnsScope": "INSTANCE",
            }));
        }
        json!({
            "kind": "sql#connectSettings",
            "project": project,
            "region": region,
            "backendType": options.backend,
            "databaseVersion": options.version,
            "ipAddresses": addresses,
            "serverCaCert": {
                "kind": "sql#sslCert", "cert": self.authority.pem(), "instance": options.name,
                "createTime": "2020-01-01T00:00:00Z", "expirationTime": "2070-01-01T00:00:00Z",
            },
            "serverCaMode": mode,
            "dnsName": options.dns_name.clone().unwrap_or_default(),
            "dnsNames": names,
            "pscEnabled": options.psc_name.is_some(),
        })
    }
}

/// The name in certificates that were made without a token.
pub(crate) const NOBODY: &str = "no principal";

/// A key that somebody else holds the private half of.
struct ForeignKey(Vec<u8>);

impl PublicKeyData for ForeignKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

/// Takes both labels that connectors write over the same bytes.
fn rsa_key(pem: &str) -> Result<ForeignKey, String> {
    let relabelled = pem.replace("RSA PUBLIC KEY", "PUBLIC KEY");
    let der = SubjectPublicKeyInfoDer::from_pem_slice(relabelled.as_bytes())
        .map_err(|_| "public_key is not PEM")?;
    let (_, info) = SubjectPublicKeyInfo::from_der(&der)
        .map_err(|_| "public_key is no SubjectPublicKeyInfo")?;
    match info.parsed() {
        Ok(x509_parser::public_key::PublicKey::RSA(key)) if key.key_size() >= 2_048 => {
            Ok(ForeignKey(info.subject_public_key.data.to_vec()))
        }
        _ => Err("public_key is no RSA key of 2048 bits".to_owned()),
    }
}

fn server_config(
    options: &InstanceOptions,
    authority: &CertifiedIssuer<'static, KeyPair>,
) -> Arc<ServerConfig> {
    let (project, _, name) = options.parts();
    let mut params = CertificateParams::default();
    if let Some(dns) = options
        .dns_name
        .as_ref()
        .filter(|_| options.certificate_has_name)
    {
        let named = CertificateParams::new(vec![dns.clone()]).expect("it is a DNS name");
        params.subject_alt_names = named.subject_alt_names;
    }
    let common = match options.ca_mode {
        CaMode::PerInstance => format!("{project}:{name}"),
        CaMode::Shared | CaMode::Customer => "an instance".to_owned(),
    };
    params.distinguished_name.push(DnType::CommonName, common);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2070, 1, 1));
    let key = KeyPair::generate().expect("make a key");
    let leaf = params.signed_by(&key, authority).expect("sign it");
    let mut roots = RootCertStore::empty();
    roots
        .add(authority.der().clone())
        .expect("it is a certificate");
    let provider = Arc::new(default_provider());
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13])
        .expect("the provider has TLS 1.3")
        .with_client_cert_verifier(clients.build().expect("the authority is one"))
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).expect("it is PKCS#8"),
        )
        .expect("key and certificate belong together");
    Arc::new(config)
}
