//! Azure's clouds: who issues tokens in each, and for what.

/// A cloud of Azure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cloud {
    /// The public one.
    #[default]
    Public,
    /// Azure in China, operated by 21Vianet.
    China,
    /// Azure for the government of the United States.
    UsGovernment,
}

impl Cloud {
    const ALL: [Self; 3] = [Self::Public, Self::China, Self::UsGovernment];

    /// The cloud whose database server has this name, if it has one of Azure's.
    pub fn of_host(host: &str) -> Option<Self> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|cloud| host.ends_with(cloud.suffix()))
    }

    /// Who issues its tokens.
    pub(super) fn authority(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::China => "https://login.chinacloudapi.cn",
            Self::UsGovernment => "https://login.microsoftonline.us",
        }
    }

    /// What tokens for PostgreSQL are asked for, without `/.default`.
    pub(super) fn resource(self) -> &'static str {
        match self {
            Self::Public => "https://ossrdbms-aad.database.windows.net",
            Self::China => "https://ossrdbms-aad.database.chinacloudapi.cn",
            Self::UsGovernment => "https://ossrdbms-aad.database.usgovcloudapi.net",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Public => ".database.azure.com",
            Self::China => ".database.chinacloudapi.cn",
            Self::UsGovernment => ".database.usgovcloudapi.net",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cloud_follows_from_the_servers_name() {
        for (host, cloud) in [
            ("db.postgres.database.azure.com", Some(Cloud::Public)),
            ("DB.Postgres.Database.ChinaCloudApi.cn.", Some(Cloud::China)),
            (
                "db.postgres.database.usgovcloudapi.net",
                Some(Cloud::UsGovernment),
            ),
            ("db.example.com", None),
        ] {
            assert_eq!(Cloud::of_host(host), cloud, "{host}");
        }
    }
}
