//! A certificate authority for one test: every certificate and key is made when it is needed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    CrlDistributionPoint, DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

use crate::host::{private_dir, write_private};

/// A certificate authority with a directory of its own; all files in it have mode 0600.
pub struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Certificates between a leaf and the root, nearest to the leaf first, as PEM.
    chain_pem: String,
    root_path: PathBuf,
    root: CertificateDer<'static>,
    dir: Arc<TempDir>,
    serial: Arc<AtomicU64>,
}

impl Default for Ca {
    fn default() -> Ca {
        Ca::new("pgmoor test CA")
    }
}

impl Ca {
    /// Makes a self-signed root with this common name.
    pub fn new(common_name: &str) -> Ca {
        let dir = Arc::new(private_dir("ca"));
        let key = KeyPair::generate().expect("make a key");
        let issuer = CertifiedIssuer::self_signed(ca_params(common_name, 1), key)
            .expect("sign the root certificate");
        let root_path = dir.path().join("root.crt");
        write_private(&root_path, issuer.pem());
        Ca {
            chain_pem: String::new(),
            root: issuer.der().clone(),
            root_path,
            dir,
            serial: Arc::new(AtomicU64::new(2)),
            issuer,
        }
    }

    /// Makes an authority below this one; its leaves carry the whole chain, without the root.
    pub fn intermediate(&self, common_name: &str) -> Ca {
        let mut params = ca_params(common_name, self.next_serial());
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().expect("make a key");
        let issuer = CertifiedIssuer::signed_by(params, key, &self.issuer)
            .expect("sign the intermediate certificate");
        Ca {
            chain_pem: format!("{}{}", issuer.pem(), self.chain_pem),
            root: self.root.clone(),
            root_path: self.root_path.clone(),
            dir: Arc::clone(&self.dir),
            serial: Arc::clone(&self.serial),
            issuer,
        }
    }

    /// The file with the root certificate: `sslrootcert` of whoever shall trust this authority.
    pub fn root_path(&self) -> &Path {
        &self.root_path
    }

    /// The root certificate as PEM.
    pub fn root_pem(&self) -> String {
        std::fs::read_to_string(&self.root_path).expect("written by us")
    }

    /// The root certificate.
    pub fn root_der(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// A server certificate for `localhost`, `127.0.0.1` and `::1`.
    pub fn server(&self) -> Certificate {
        self.issue("localhost")
            .names(["localhost", "127.0.0.1", "::1"])
            .finish()
    }

    /// A certificate that a client proves to be `user` with.
    pub fn client(&self, user: &str) -> Certificate {
        self.issue(user).for_client().finish()
    }

    /// Starts a certificate of any other kind; it is for a server until said otherwise.
    pub fn issue(&self, common_name: &str) -> CertificateBuilder<'_> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.serial_number = Some(SerialNumber::from(self.next_serial()));
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2070, 1, 1);
        CertificateBuilder { ca: self, params }
    }

    /// Writes a list that revokes these certificates and returns its file.
    pub fn revoke(&self, revoked: &[&Certificate]) -> PathBuf {
        let number = self.next_serial();
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2070, 1, 1),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(|leaf| revocation(leaf)).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("sign the list");
        let path = self.dir.path().join(format!("revoked-{number}.crl"));
        write_private(&path, list.pem().expect("write the list as PEM"));
        path
    }

    fn next_serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }
}

fn ca_params(common_name: &str, serial: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.serial_number = Some(SerialNumber::from(serial));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2070, 1, 1);
    params
}

fn revocation(leaf: &Certificate) -> RevokedCertParams {
    RevokedCertParams {
        serial_number: leaf.serial.clone(),
        revocation_time: date_time_ymd(2020, 1, 2),
        reason_code: None,
        invalidity_date: None,
    }
}

/// A certificate about to be issued.
pub struct CertificateBuilder<'a> {
    ca: &'a Ca,
    params: CertificateParams,
}

impl CertificateBuilder<'_> {
    /// The DNS names and addresses that it is valid for; leave out to have a wrong name.
    pub fn names<const N: usize>(mut self, names: [&str; N]) -> Self {
        let names = names.map(String::from).to_vec();
        let with_names = CertificateParams::new(names).expect("names are DNS names or addresses");
        self.params.subject_alt_names = with_names.subject_alt_names;
        self
    }

    /// For a client instead of a server.
    pub fn for_client(mut self) -> Self {
        self.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self
    }

    /// Was valid until the end of 2021.
    pub fn expired(mut self) -> Self {
        self.params.not_after = date_time_ymd(2021, 12, 31);
        self
    }

    /// Will be valid from 2060 on.
    pub fn not_yet_valid(mut self) -> Self {
        self.params.not_before = date_time_ymd(2060, 1, 1);
        self
    }

    /// Says where the list of revoked certificates is published.
    pub fn revocation_list_at(mut self, uri: &str) -> Self {
        self.params.crl_distribution_points = vec![CrlDistributionPoint {
            uris: vec![uri.to_owned()],
        }];
        self
    }

    /// Makes the key, signs the certificate and writes both.
    pub fn finish(self) -> Certificate {
        let key = KeyPair::generate().expect("make a key");
        let serial = self.params.serial_number.clone().expect("set by issue");
        let leaf = self
            .params
            .signed_by(&key, &self.ca.issuer)
            .expect("sign the certificate");
        let name = format!("leaf-{}", self.ca.next_serial());
        let certificate = Certificate {
            chain_path: self.ca.dir.path().join(format!("{name}.crt")),
            key_path: self.ca.dir.path().join(format!("{name}.key")),
            chain_pem: format!("{}{}", leaf.pem(), self.ca.chain_pem),
            key_pem: key.serialize_pem(),
            der: leaf.der().clone(),
            serial,
            _dir: Arc::clone(&self.ca.dir),
        };
        write_private(&certificate.chain_path, &certificate.chain_pem);
        write_private(&certificate.key_path, &certificate.key_pem);
        certificate
    }
}

/// A certificate with its key; both are also files, which live as long as the authority does.
#[derive(Clone)]
pub struct Certificate {
    chain_path: PathBuf,
    key_path: PathBuf,
    chain_pem: String,
    key_pem: String,
    der: CertificateDer<'static>,
    serial: SerialNumber,
    _dir: Arc<TempDir>,
}

impl Certificate {
    /// The file with the certificate and its intermediates.
    pub fn chain_path(&self) -> &Path {
        &self.chain_path
    }

    /// The file with the private key.
    pub fn key_path(&self) -> &Path {
        &self.key_path
    }

    /// The certificate and its intermediates as PEM.
    pub fn chain_pem(&self) -> &str {
        &self.chain_pem
    }

    /// The private key as PEM.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// The certificate itself.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.chain_pem.as_bytes())
            .collect::<Result<_, _>>()
            .expect("written by us")
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).expect("written by us")
    }
}
