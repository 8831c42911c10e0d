//! Whether we are let in, and how well that is protected.

mod refusal;

checks! {
    answers, starting, free, credential, settings, hba, certificate, token, iam_role, role, password, database, sort,
    other, method, clock,
}
