//! Whether the role may log in by a cloud's identity.

use super::refusal::{self, Refusal};
use crate::check::verdict::{fail, skip};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::configuration::CredentialKind;

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-009",
    layer: Layer::Login,
    title: "the role may log in by the cloud's identity",
    why: "A role that was not told so is asked for its password, and the token is none: the server says that the password is wrong.",
    needs: "a login by a cloud's token",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let kind = on.configuration().credential;
    if !kind.is_token() {
        return skip("no cloud's token logs in");
    }
    refusal::judge(
        on,
        Refusal::IamRole,
        |session| format!("\"{}\" may, by {kind}", session.user),
        |error, user| {
            let how = match kind {
                CredentialKind::Google => format!("make it a user of Cloud IAM: gcloud sql users create {user} --type=cloud_iam_service_account; the server's flag cloudsql.iam_authentication=on"),
                CredentialKind::Azure => format!("as an Entra administrator of the server: select * from pgaadauth_create_principal('{user}', false, false);"),
                _ => format!("grant rds_iam to \"{user}\";"),
            };
            fail(format!("the server took the token of \"{user}\" for a password: {}", refusal::said(error))).hint(how)
        },
    )
}
