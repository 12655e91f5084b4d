//! What happens in an account beside its connections: transformations run, people and scripts manage it.

use super::{
    DAY, Episodes, HOUR, MINUTE, MS, Rng, SECOND, SimEvent, SimOptions,
    catalog::{WORDS, two_words},
    sync::{audit_data, level_of, quoted},
    write::write_time,
};
use std::{collections::VecDeque, sync::Arc};

/// A person.
#[derive(Debug)]
pub(super) struct User {
    pub id: String,
    pub email: String,
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Account {
    pub destinations: Vec<String>,
    pub users: Vec<User>,
}

impl Account {
    pub fn new(options: &SimOptions) -> Self {
        let mut rng = Rng::new(options.seed, u64::MAX);
        let destinations = (0..4).map(|nth| format!("{}_{nth}", two_words(&mut rng))).collect();
        let users = (0..9)
            .map(|nth| {
                let (given, family) = (rng.pick(WORDS), rng.pick(WORDS));
                User { id: format!("{given}_{family}_{nth}"), email: format!("{given}.{family}{nth}@example.com") }
            })
            .collect();
        Self { destinations, users }
    }

    /// One of its people.
    pub fn user(&self, rng: &mut Rng) -> &User {
        &self.users[rng.index(self.users.len())]
    }
}

/// An event that is about no connection.
fn event(at: i64, name: &'static str, digits: u8, data: String) -> SimEvent {
    SimEvent {
        created_us: at,
        digits,
        name,
        connection: None,
        sync_id: None,
        exception_id: None,
        data,
        level: level_of(name),
    }
}

/// A transformation that runs on a schedule.
pub(super) struct Job {
    rng: Rng,
    id: String,
    name: String,
    every_us: i64,
    clock: i64,
}

impl Job {
    pub fn new(options: &SimOptions, slot: u64) -> Self {
        let mut rng = Rng::new(options.seed, (1 << 32) + slot);
        let every_us = *rng.pick(&[HOUR, 3 * HOUR, 6 * HOUR, DAY]);
        let start = options.start_us.div_euclid(MS) * MS;
        let clock = start + rng.range(0, every_us) / MS * MS;
        Self { id: two_words(&mut rng), name: format!("marts_{}", rng.pick(WORDS)), rng, every_us, clock }
    }
}

impl Episodes for Job {
    fn next_episode(&mut self, out: &mut VecDeque<SimEvent>) {
        let time = |at: i64| {
            let mut text = Vec::with_capacity(24);
            write_time(at, 3, &mut text);
            String::from_utf8_lossy(&text).into_owned()
        };
        let began = self.clock;
        let schedule = format!(r#""schedule":{{"type":"cron","entries":["0 */{} * * *"]}}"#, self.every_us / HOUR);
        let head = format!(
            r#"{{"id":"{}","name":"{}","startTime":"{}","transformationType":"DBT_CORE",{schedule}"#,
            self.id,
            self.name,
            time(began)
        );
        out.push_back(event(began + 40 * MS, "transformation_start", 3, format!("{head}}}")));
        let failed = self.rng.chance(0.06);
        let models = self.rng.range(3, 14);
        let mut output = format!("Running with dbt=1.7.3\nFound {models} models, 1 source, 447 macros\n");
        for nth in 1..=models {
            let (word, ms) = (self.rng.pick(WORDS), self.rng.range(300, 9_000));
            let state = if failed && nth == models { "ERROR creating" } else { "OK created" };
            output.push_str(&format!(
                "{nth} of {models} {state} sql table model marts.{word} in {}.{:03}s\n",
                ms / 1000,
                ms % 1000
            ));
        }
        output.push_str(if failed { "Completed with 1 error and 0 warnings" } else { "Completed successfully" });
        let ended = began + self.rng.range(20 * SECOND, 8 * MINUTE) / MS * MS;
        let (good, bad) = if failed { (0, 1) } else { (1, 0) };
        let data = format!(
            r#"{head},"endTime":"{end}","result":{{"stepResults":[{{"step":{{"name":"build","command":"dbt run --select +{name}","processBuilderCommand":null}},"success":{ok},"startTime":"{step}","endTime":"{end}","commandResult":{{"exitCode":{bad},"output":{output},"error":""}}}}],"description":"Steps: successful {good}, failed {bad}"}}}}"#,
            end = time(ended),
            step = time(began + 10 * SECOND),
            name = self.name,
            ok = !failed,
            output = quoted(&output),
        );
        let name = if failed { "transformation_failed" } else { "transformation_succeeded" };
        out.push_back(event(ended + 30 * MS, name, 3, data));
        self.clock = (began + self.every_us).max(ended + SECOND);
    }
}

/// People and scripts that manage the account itself.
pub(super) struct People {
    rng: Rng,
    account: Arc<Account>,
    /// The mean time between two of their deeds.
    every_us: i64,
    clock: i64,
}

impl People {
    pub fn new(options: &SimOptions, account: Arc<Account>) -> Self {
        let mut rng = Rng::new(options.seed, u64::MAX - 1);
        let every_us = DAY / (options.connections.max(1) as i64 / 10).max(1);
        let clock = options.start_us.div_euclid(MS) * MS + rng.range(MINUTE, every_us.max(2 * MINUTE)) / MS * MS;
        Self { rng, account, every_us, clock }
    }
}

impl Episodes for People {
    fn next_episode(&mut self, out: &mut VecDeque<SimEvent>) {
        let account = Arc::clone(&self.account);
        let rng = &mut self.rng;
        let (user, other) = (account.user(rng), account.user(rng));
        let destination = rng.pick(&account.destinations);
        let at = self.clock + rng.range(1, 999);
        let audit = |name, method, resource, action, rest: &str| {
            event(at, name, 6, audit_data(&user.id, method, resource, action, at, rest))
        };
        let made = match rng.index(7) {
            0 => audit(
                "edit_user",
                "WEB_UI",
                ("USER", &other.id),
                "EDIT",
                r#","oldValues":{"account_role":"Account Reviewer"},"newValues":{"account_role":"Account Analyst"}"#,
            ),
            1 => audit(
                "edit_destination",
                "WEB_UI",
                ("DESTINATION", destination),
                "EDIT",
                r#","oldValues":{"region":"us-east-1"},"newValues":{"region":"eu-west-1"}"#,
            ),
            2 => audit(
                "edit_team",
                "WEB_UI",
                ("TEAM", "data_platform"),
                "EDIT",
                &format!(
                    r#","secondaryResourceType":"USER","secondaryResourceId":"{id}","newValues":{{"change":"ADD","new_user_id":"{id}","type":"USER","team_name":"data platform"}}"#,
                    id = other.id
                ),
            ),
            3 => audit(
                "generate_api_secret",
                "WEB_UI",
                ("ACCOUNT", "account"),
                "EDIT",
                r#","newValues":{"new_api_key":"***"}"#,
            ),
            4 => event(
                at / MS * MS,
                "update_warehouse",
                3,
                format!(
                    r#"{{"actor":"{}","id":"{destination}","properties":{{"region":"eu-west-1","secretKey":"************"}},"oldProperties":{{"region":"us-east-1","secretKey":"************"}}}}"#,
                    user.email
                ),
            ),
            _ => event(
                at / MS * MS,
                "api_call",
                3,
                format!(
                    r#"{{"method":"GET","uri":"https://api.fivetran.com/v1/groups/{destination}/connections?limit={}"}}"#,
                    rng.range(1, 100)
                ),
            ),
        };
        out.push_back(made);
        self.clock += 2 * MS + rng.range(0, 2 * self.every_us) / MS * MS;
    }
}
