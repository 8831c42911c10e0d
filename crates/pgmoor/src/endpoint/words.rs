//! The closed sets of words a setting can have, spelled as libpq spells them.

use std::fmt;

/// Declares an enum whose variants are the words of one libpq setting.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// All words, in the order of the documentation.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word, as libpq spells it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The variant of exactly this word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// How much TLS a connection must have (`sslmode`), weakest first.
    #[derive(Default)]
    pub enum SslMode {
        /// Never TLS.
        Disable = "disable",
        /// Plain first; TLS when the server refuses plain.
        Allow = "allow",
        /// TLS first; plain when the server has none or refuses.
        #[default]
        Prefer = "prefer",
        /// Always TLS; the certificate is verified only when a root certificate file exists.
        Require = "require",
        /// Always TLS, with a certificate from a trusted authority.
        VerifyCa = "verify-ca",
        /// Always TLS, with a trusted certificate that carries the name of the host.
        VerifyFull = "verify-full",
    }
}

words! {
    /// How TLS begins (`sslnegotiation`).
    #[derive(Default)]
    pub enum SslNegotiation {
        /// With PostgreSQL's SSLRequest.
        #[default]
        Postgres = "postgres",
        /// With the TLS handshake itself and ALPN `postgresql` (servers from 17 on).
        Direct = "direct",
    }
}

words! {
    /// Whether a client certificate is sent (`sslcertmode`).
    #[derive(Default)]
    pub enum SslCertMode {
        /// Never, even when there is one.
        Disable = "disable",
        /// When the server asks and there is one.
        #[default]
        Allow = "allow",
        /// The server must ask for one.
        Require = "require",
    }
}

words! {
    /// A bound on the TLS protocol (`ssl_min_protocol_version`, `ssl_max_protocol_version`).
    pub enum TlsVersion {
        /// TLS 1.0: below what pgmoor speaks.
        V1_0 = "TLSv1",
        /// TLS 1.1: below what pgmoor speaks.
        V1_1 = "TLSv1.1",
        /// TLS 1.2.
        V1_2 = "TLSv1.2",
        /// TLS 1.3.
        V1_3 = "TLSv1.3",
    }
}

words! {
    /// Whether the login is bound to the TLS channel (`channel_binding`).
    #[derive(Default)]
    pub enum ChannelBinding {
        /// Never.
        Disable = "disable",
        /// When the server offers it.
        #[default]
        Prefer = "prefer",
        /// The server must offer it.
        Require = "require",
    }
}

words! {
    /// Which server of a list is acceptable (`target_session_attrs`).
    #[derive(Default)]
    pub enum TargetSessionAttrs {
        /// Any.
        #[default]
        Any = "any",
        /// Sessions can write.
        ReadWrite = "read-write",
        /// Sessions cannot write.
        ReadOnly = "read-only",
        /// Not in recovery.
        Primary = "primary",
        /// In recovery.
        Standby = "standby",
        /// A standby if any host is one, else any.
        PreferStandby = "prefer-standby",
    }
}

words! {
    /// In which order hosts and their addresses are tried (`load_balance_hosts`).
    #[derive(Default)]
    pub enum LoadBalanceHosts {
        /// As written.
        #[default]
        Disable = "disable",
        /// Shuffled.
        Random = "random",
    }
}

words! {
    /// A way to log in, as named in `require_auth`.
    pub enum AuthMethod {
        /// The password in clear text.
        Password = "password",
        /// An MD5 hash.
        Md5 = "md5",
        /// GSSAPI (Kerberos).
        Gss = "gss",
        /// Windows SSPI.
        Sspi = "sspi",
        /// SCRAM-SHA-256, with or without channel binding.
        ScramSha256 = "scram-sha-256",
        /// OAuth 2.0 bearer tokens.
        OAuth = "oauth",
        /// The server asks for nothing.
        None = "none",
    }
}

words! {
    /// A version of PostgreSQL's protocol (`min_protocol_version`, `max_protocol_version`).
    pub enum ProtocolVersion {
        /// What every server since 7.4 speaks.
        V3_0 = "3.0",
        /// Longer cancel keys (servers from 18 on).
        V3_2 = "3.2",
    }
}
