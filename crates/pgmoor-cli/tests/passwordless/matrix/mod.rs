//! Every source of every cloud, to a login through the gateway at a server that checks its token, and each way in
//! which that is refused: what clients are told has the cause and what to do. What is given to the workload is
//! written by a function of each source, which is called again where something is to be mended.

mod world;

mod aws;
mod azure;
mod google;

mod document;

use pgmoor_testkit::wait_for;

use crate::site::{STUCK, Variables, assert_told, refused, who};
use world::World;

/// What must be told.
type Parts = &'static [&'static str];
/// What replaces something at the issuer, and what is told of that of before.
type Rotation = (fn(&World), Parts);

/// A cloud.
struct Provider {
    name: &'static str,
    /// What the server is called.
    host: &'static str,
    /// Its section in the settings of a credential.
    section: &'static str,
    sources: Vec<Source>,
    /// What is told of whatever the server refuses, whoever it was.
    rejection: Parts,
    /// Seconds after which no token of before is good.
    life: i64,
    elsewhere: Elsewhere,
    /// Before the login, where the issuer would let everybody in.
    limit_users: fn(&World),
}

/// How a token is made one for another place than the server's.
struct Elsewhere {
    /// Another key of the settings, if that does it.
    key: &'static str,
    /// What else.
    move_away: fn(&World),
    told: Parts,
    /// The sources that do not care.
    besides: &'static [&'static str],
}

/// A way to an identity.
struct Source {
    /// As the guide calls it.
    name: &'static str,
    /// Whom it logs in as.
    user: &'static str,
    /// Hands it to the workload.
    give: fn(&World) -> Given,
    clock: Clock,
    /// What it is made from is replaced at the issuer, and told of that of before.
    rotated: Option<Rotation>,
    revoked: Revoked,
}

/// What a workload has, and the keys of its credential's settings.
struct Given {
    variables: Variables,
    keys: Vec<String>,
}

/// What is told on a host whose clock is two hours ahead, and two behind; nothing where a login does not hang on it.
#[derive(Clone, Copy)]
struct Clock {
    ahead: Option<Parts>,
    behind: Option<Parts>,
}

/// How it is taken from the identity what lets it in, what is told, and how it is given back.
struct Revoked {
    take: fn(&World),
    told: Parts,
    give_back: fn(&World),
}

impl Given {
    fn variables(variables: Variables) -> Self {
        Self {
            variables,
            keys: Vec::new(),
        }
    }

    fn keys<const N: usize>(keys: [String; N]) -> Self {
        Self {
            variables: Variables::new(),
            keys: keys.into(),
        }
    }

    fn and(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.push((name, value.into()));
        self
    }
}

impl Clock {
    /// Everything that it goes by is told by others as a span of time.
    const HARMLESS: Self = Self {
        ahead: None,
        behind: None,
    };
    /// The end of what it gets is a date.
    const ENDS_BY_DATE: Self = Self {
        ahead: Some(&["has expired", "hint: check the clock of this host"]),
        behind: None,
    };

    const fn signs(told: Parts) -> Self {
        Self {
            ahead: Some(told),
            behind: Some(told),
        }
    }
}

fn providers() -> [Provider; 3] {
    [aws::provider(), azure::provider(), google::provider()]
}

/// Runs `check` for each source of each cloud, one after the other; a failure says of which.
async fn each(world: &World, check: impl AsyncFn(&World, &Provider, &Source)) {
    for provider in providers() {
        each_of(&provider, world, &check).await;
    }
}

/// The same, but all clouds at once: for what waits, and changes nothing that they share.
async fn each_at_once(world: &World, check: impl AsyncFn(&World, &Provider, &Source)) {
    let [aws, azure, google] = providers();
    tokio::join!(
        each_of(&aws, world, &check),
        each_of(&azure, world, &check),
        each_of(&google, world, &check),
    );
}

async fn each_of(
    provider: &Provider,
    world: &World,
    check: &impl AsyncFn(&World, &Provider, &Source),
) {
    for source in &provider.sources {
        world.told_of(provider, source);
        check(world, provider, source).await;
    }
}

fn assert_no_secret(told: &str) {
    for secret in ["X-Amz-", "eyJ", "ya29.", "PRIVATE KEY"] {
        assert!(!told.contains(secret), "{secret} in:\n{told}");
    }
}

#[tokio::test]
async fn every_source_of_every_cloud_logs_in_at_a_server_that_checks_its_token() {
    let world = World::new().await;
    each_at_once(&world, async |world, provider, source| {
        let gateway = world.gateway(provider, source, source.user, "");
        let gateway = gateway.start().await;

        let user = who(&gateway).await;

        let refusal = world.cloud.judge.last_refusal();
        let log = gateway.log();
        assert_eq!(user.as_deref(), Ok(source.user), "{refusal:?}\n{log}");
    })
    .await;
    let verdicts = world.cloud.judge.verdicts();
    assert!(verdicts.iter().all(|verdict| verdict.outcome.is_ok()));
}

#[tokio::test]
async fn a_token_that_has_ended_is_told_with_what_it_says_and_the_clock() {
    let world = World::new().await;
    each(&world, async |world, provider, source| {
        world.cloud.judge.set_clock_ahead(provider.life);
        let gateway = world.gateway(provider, source, source.user, "");

        let told = refused(&gateway.launch()).await;

        world.cloud.judge.set_clock_ahead(0);
        let judged = world.cloud.judge.last_refusal().unwrap_or_default();
        assert!(judged.contains("expired"), "{judged}");
        assert_told(&told, provider.rejection);
        assert_told(&told, &["28000", "the clock of this host"]);
        assert_no_secret(&told);
    })
    .await;
}

#[tokio::test]
async fn a_token_for_another_place_than_the_servers_is_told_with_both() {
    let world = World::new().await;
    each(&world, async |world, provider, source| {
        let elsewhere = &provider.elsewhere;
        if elsewhere.besides.contains(&source.name) {
            return;
        }
        (elsewhere.move_away)(world);
        let gateway = world.gateway(provider, source, source.user, elsewhere.key);

        let told = refused(&gateway.launch()).await;

        world.move_back();
        assert_told(&told, elsewhere.told);
        assert_told(&told, &["hint: "]);
        assert_no_secret(&told);
    })
    .await;
}

#[tokio::test]
async fn a_token_of_another_than_the_user_is_told_with_whose_it_is_and_what_makes_a_role_fit() {
    let world = World::new().await;
    each(&world, async |world, provider, source| {
        (provider.limit_users)(world);
        let another = match source.user {
            "iam" => "other",
            "robot@proj.iam" => "app@proj.iam",
            _ => "robot@proj.iam",
        };
        let gateway = world.gateway(provider, source, another, "");

        let told = refused(&gateway.launch()).await;

        world.move_back();
        let judged = world.cloud.judge.last_refusal().unwrap_or_default();
        assert!(judged.contains(another), "{judged}");
        assert_told(&told, provider.rejection);
        assert_told(&told, &["28000", &format!("\"{another}\"")]);
        assert_no_secret(&told);
    })
    .await;
}

#[tokio::test]
async fn a_clock_two_hours_ahead_or_behind_is_told_where_a_login_hangs_on_it() {
    let world = World::new().await;
    each_at_once(&world, async |world, provider, source| {
        for (seconds, told) in [(7_200, source.clock.ahead), (-7_200, source.clock.behind)] {
            let gateway = world.gateway(provider, source, source.user, "");
            let gateway = gateway.clock_ahead(seconds);
            let gateway = gateway.expect("cargo x setup test installs libfaketime");
            let gateway = gateway.launch();
            match told {
                None => {
                    wait_for("a login", STUCK, async || {
                        who(&gateway).await.as_deref() == Ok(source.user)
                    })
                    .await
                }
                Some(parts) => {
                    let told = refused(&gateway).await;
                    assert_told(&told, parts);
                    assert!(told.contains("clock"), "{seconds} s:\n{told}");
                    assert_no_secret(&told);
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_rotated_is_told_and_read_again_as_soon_as_it_is_there() {
    let world = World::new().await;
    each_at_once(&world, async |world, provider, source| {
        let Some((rotate, parts)) = source.rotated else {
            return;
        };
        let gateway = world.gateway(provider, source, source.user, "");
        rotate(world);
        let gateway = gateway.launch();

        let told = refused(&gateway).await;
        // What rotates the file comes late.
        (source.give)(world);

        assert_told(&told, parts);
        assert_told(&told, &["hint: "]);
        assert_no_secret(&told);
        wait_for("what is new to be read", STUCK, async || {
            who(&gateway).await.as_deref() == Ok(source.user)
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn what_was_revoked_is_told_and_works_as_soon_as_it_is_granted_again() {
    let world = World::new().await;
    each_at_once(&world, async |world, provider, source| {
        let gateway = world.gateway(provider, source, source.user, "");
        (source.revoked.take)(world);
        let gateway = gateway.launch();

        let told = refused(&gateway).await;
        (source.revoked.give_back)(world);

        assert_told(&told, source.revoked.told);
        assert_told(&told, &["hint: "]);
        assert_no_secret(&told);
        wait_for("it to be granted again", STUCK, async || {
            who(&gateway).await.as_deref() == Ok(source.user)
        })
        .await;
    })
    .await;
}
