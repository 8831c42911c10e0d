//! Which proofs a server gets, and which of its own are believed.

use pgmoor_wire::scram::{ServerExchange, Verifier};
use pgmoor_wire::{backend, frame};

use super::*;

fn request(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out);
    out.split_off(frame::HEADER)
}

fn sasl(mechanisms: &[&str]) -> Vec<u8> {
    request(|out| backend::write_auth_sasl(out, mechanisms).expect("mechanisms"))
}

const OK: [u8; 4] = [0; 4];
const MD5: [u8; 8] = [0, 0, 0, 5, 1, 2, 3, 4];
const CLEARTEXT: [u8; 4] = [0, 0, 0, 3];

struct Case {
    require: RequireAuth,
    binding: ChannelBinding,
    proof: Proof,
    end_point: Option<&'static [u8]>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            require: RequireAuth::default(),
            binding: ChannelBinding::Prefer,
            proof: Proof::Password(Secret::from("geheim")),
            end_point: None,
        }
    }
}

impl Case {
    fn authenticator(&self) -> Authenticator<'_> {
        let policy = Policy {
            require: &self.require,
            binding: self.binding,
        };
        Authenticator::new("app", &self.proof, policy, self.end_point)
    }

    fn answer(&self, body: &[u8]) -> Result<Vec<u8>, Problem> {
        let mut out = Vec::new();
        let asked = Authentication::decode(body).expect("request");
        self.authenticator()
            .on_request(asked, &mut out)
            .map(|()| out)
    }
}

fn asked(body: &[u8]) -> Authentication<'_> {
    Authentication::decode(body).expect("request")
}

fn require(list: &str) -> RequireAuth {
    let text = format!("host=h require_auth={list}");
    let endpoint = crate::endpoint::Endpoint::parse(&text).expect("endpoint");
    endpoint.require_auth
}

fn refusal(outcome: Result<Vec<u8>, Problem>) -> String {
    match outcome {
        Err(Problem::Refused { asks, refused }) => format!("{asks}, which {refused}"),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn each_method_is_answered_and_trust_needs_no_answer() {
    let case = Case::default();
    assert!(case.answer(&OK).expect("trust").is_empty());
    assert!(
        case.answer(&CLEARTEXT)
            .expect("password")
            .ends_with(b"geheim\0")
    );
    assert!(
        case.answer(&MD5)
            .expect("md5")
            .starts_with(b"p\0\0\0\x28md5")
    );
    let first = case.answer(&sasl(&["SCRAM-SHA-256"])).expect("scram");
    assert!(first.windows(3).any(|part| part == b"n,,"));
}

#[test]
fn require_auth_refuses_what_it_does_not_name() {
    let case = Case {
        require: require("scram-sha-256"),
        ..Case::default()
    };
    for body in [&OK[..], &CLEARTEXT, &MD5] {
        let text = refusal(case.answer(body));
        assert!(
            text.ends_with("which require_auth=scram-sha-256 forbids"),
            "{text}"
        );
    }
    assert!(case.answer(&sasl(&["SCRAM-SHA-256"])).is_ok());
}

#[test]
fn required_channel_binding_accepts_nothing_weaker() {
    let case = Case {
        binding: ChannelBinding::Require,
        end_point: Some(b"hash"),
        ..Case::default()
    };
    for body in [&OK[..], &CLEARTEXT, &MD5, &sasl(&["SCRAM-SHA-256"])] {
        refusal(case.answer(body));
    }
    let both = sasl(&["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]);
    assert!(case.answer(&both).is_ok());
    let plain = Case {
        end_point: None,
        ..case
    };
    refusal(plain.answer(&both));
}

#[test]
fn server_that_skips_its_proof_is_refused() {
    let case = Case::default();
    let mut login = case.authenticator();
    let mut out = Vec::new();
    let offer = sasl(&["SCRAM-SHA-256"]);
    login.on_request(asked(&offer), &mut out).expect("first");
    let outcome = login.on_request(asked(&OK), &mut out);
    assert!(matches!(
        outcome,
        Err(Problem::Scram(ScramError::ServerSignature))
    ));
    assert!(!login.is_done());
}

#[test]
fn whole_exchange_ends_in_a_login() {
    let case = Case::default();
    let mut login = case.authenticator();
    let verifier = Verifier::from_password("geheim", 4096).expect("verifier");
    let mut server = ServerExchange::new(verifier, scram::ChannelBinding::None);
    let mut out = Vec::new();
    let offer = sasl(&["SCRAM-SHA-256"]);
    login.on_request(asked(&offer), &mut out).expect("first");
    let initial = frontend::SaslInitial::decode(&out[frame::HEADER..]).expect("initial");
    let data = server
        .first(Mechanism::ScramSha256, initial.data.expect("data"))
        .expect("server-first");

    let mut response = Vec::new();
    let go_on = request(|out| backend::write_auth_sasl_continue(out, &data).expect("continue"));
    login
        .on_request(asked(&go_on), &mut response)
        .expect("final");
    let last = server
        .finish(&response[frame::HEADER..])
        .expect("server-final");
    let end = request(|out| backend::write_auth_sasl_final(out, &last.message).expect("final"));
    login
        .on_request(asked(&end), &mut response)
        .expect("verified");
    login.on_request(asked(&OK), &mut response).expect("ok");

    assert!(login.is_done());
}

#[test]
fn second_request_and_unknown_methods_are_refused() {
    let case = Case::default();
    let mut login = case.authenticator();
    let mut out = Vec::new();
    login
        .on_request(asked(&CLEARTEXT), &mut out)
        .expect("password");
    let again = login.on_request(asked(&CLEARTEXT), &mut out);
    assert!(matches!(again, Err(Problem::OutOfOrder)));

    let gss = [0, 0, 0, 7];
    assert_eq!(
        refusal(case.answer(&gss)),
        "asks for GSSAPI (authentication request 7), which pgmoor does not speak"
    );
}

#[test]
fn no_password_and_no_use_for_keys_are_told_apart() {
    let none = Case {
        proof: Proof::Nothing,
        ..Case::default()
    };
    assert!(matches!(none.answer(&MD5), Err(Problem::NoPassword("MD5"))));
    let keys = Case {
        proof: Proof::Keys {
            client: Secret::new([1; 32]),
            server: Secret::new([2; 32]),
        },
        ..Case::default()
    };
    assert_eq!(
        refusal(keys.answer(&CLEARTEXT)),
        "asks for the password (clear text), which SCRAM keys cannot answer"
    );
    assert!(keys.answer(&sasl(&["SCRAM-SHA-256"])).is_ok());
}
