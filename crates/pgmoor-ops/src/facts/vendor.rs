//! Who runs a server, as far as it shows.

/// Who runs a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// PostgreSQL as it comes.
    Plain,
    /// Amazon RDS.
    Rds,
    /// Amazon Aurora.
    Aurora,
    /// Google Cloud SQL.
    CloudSql,
    /// Google AlloyDB.
    AlloyDb,
    /// Azure Database for PostgreSQL, Flexible Server.
    Azure,
    /// Supabase.
    Supabase,
    /// Neon.
    Neon,
    /// Crunchy Bridge.
    Crunchy,
}

/// What gives a vendor away.
#[derive(Debug, Clone, Default)]
pub struct Signs {
    /// The roles that exist.
    pub roles: Vec<String>,
    /// The names of settings with a dot in them: those of extensions and vendors.
    pub settings: Vec<String>,
    /// Whether there is a function `aurora_version`.
    pub has_aurora_version: bool,
}

impl Vendor {
    /// Who runs a server that shows these signs. A vendor's own superuser role is the surest: what
    /// it offers instead of a superuser.
    pub fn of(signs: &Signs) -> Self {
        let role = |name: &str| signs.roles.iter().any(|role| role == name);
        let setting = |prefix: &str| signs.settings.iter().any(|name| name.starts_with(prefix));
        if signs.has_aurora_version {
            Self::Aurora
        } else if role("rds_superuser") || setting("rds.") {
            Self::Rds
        } else if role("alloydbsuperuser") || setting("alloydb.") {
            Self::AlloyDb
        } else if role("cloudsqlsuperuser") || setting("cloudsql.") {
            Self::CloudSql
        } else if role("azure_pg_admin") || setting("azure.") {
            Self::Azure
        } else if role("supabase_admin") {
            Self::Supabase
        } else if role("neon_superuser") || setting("neon.") {
            Self::Neon
        } else if role("crunchy_superuser") || setting("crunchy.") {
            Self::Crunchy
        } else {
            Self::Plain
        }
    }

    /// What people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Plain => "PostgreSQL",
            Self::Rds => "Amazon RDS",
            Self::Aurora => "Amazon Aurora",
            Self::CloudSql => "Google Cloud SQL",
            Self::AlloyDb => "Google AlloyDB",
            Self::Azure => "Azure Flexible Server",
            Self::Supabase => "Supabase",
            Self::Neon => "Neon",
            Self::Crunchy => "Crunchy Bridge",
        }
    }

    /// The role that administrators have there in place of a superuser.
    pub fn admin_role(self) -> Option<&'static str> {
        match self {
            Self::Rds | Self::Aurora => Some("rds_superuser"),
            Self::CloudSql => Some("cloudsqlsuperuser"),
            Self::AlloyDb => Some("alloydbsuperuser"),
            Self::Azure => Some("azure_pg_admin"),
            Self::Neon => Some("neon_superuser"),
            Self::Plain | Self::Supabase | Self::Crunchy => None,
        }
    }

    /// Whether nobody but the vendor is superuser.
    pub fn is_managed(self) -> bool {
        self != Self::Plain
    }

    /// The setting that lists the extensions that may be installed, and how it is changed.
    pub fn allow_list(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Azure => Some((
                "azure.extensions",
                "az postgres flexible-server parameter set --resource-group GROUP --server-name SERVER --name azure.extensions --value",
            )),
            Self::Rds | Self::Aurora => Some((
                "rds.allowed_extensions",
                "add it to the parameter rds.allowed_extensions of the instance's parameter group:",
            )),
            Self::Plain
            | Self::CloudSql
            | Self::AlloyDb
            | Self::Supabase
            | Self::Neon
            | Self::Crunchy => None,
        }
    }

    /// The setting that switches logical decoding on, where it is not `wal_level` itself.
    pub fn logical_setting(self) -> &'static str {
        match self {
            Self::Rds | Self::Aurora => "rds.logical_replication",
            Self::CloudSql => "cloudsql.logical_decoding",
            Self::AlloyDb => "alloydb.logical_decoding",
            Self::Plain | Self::Azure | Self::Supabase | Self::Neon | Self::Crunchy => "wal_level",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(roles: &[&str], settings: &[&str], has_aurora_version: bool) -> Vendor {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Vendor::of(&Signs {
            roles: owned(roles),
            settings: owned(settings),
            has_aurora_version,
        })
    }

    #[test]
    fn each_vendor_is_known_by_its_own_roles_and_settings() {
        assert_eq!(
            of(&["app"], &["auto_explain.log_level"], false),
            Vendor::Plain
        );
        assert_eq!(of(&["rds_superuser"], &[], false), Vendor::Rds);
        assert_eq!(of(&["rds_superuser"], &[], true), Vendor::Aurora);
        assert_eq!(
            of(&["cloudsqlsuperuser", "alloydbsuperuser"], &[], false),
            Vendor::AlloyDb
        );
        assert_eq!(
            of(&[], &["cloudsql.iam_authentication"], false),
            Vendor::CloudSql
        );
        assert_eq!(of(&["azure_pg_admin"], &[], false), Vendor::Azure);
        assert_eq!(of(&["supabase_admin"], &[], false), Vendor::Supabase);
        assert_eq!(of(&["neon_superuser"], &[], false), Vendor::Neon);
        assert_eq!(of(&["crunchy_superuser"], &[], false), Vendor::Crunchy);
    }
}
