use super::*;
use crate::testing::{on_both, sqlite_in};
use crate::{
    AccessKey, AnsweredToken, ConnectivityRow, GroupScope, PresenceRow, ProvisioningTemplate,
    TemplateVersion, Thing, ThingGroup, ThingType, Tx,
};

fn group(name: &str, parent: Option<&str>) -> ThingGroup {
    ThingGroup {
        name: name.to_owned(),
        id: format!("id-{name}"),
        parent: parent.map(str::to_owned),
        description: Some("with \"quotes\",\nlines and ünïcode".to_owned()),
        attributes: Default::default(),
        version: i64::MAX,
        created_at_ms: 1,
    }
}

async fn dump(store: &Store) -> Vec<u8> {
    let mut out = Vec::new();
    store.read().await.unwrap().dump(&mut out).await.unwrap();
    out
}

/// Parents sort behind their children by name and by age here.
async fn filled(database: Database) -> Store {
    let store = Store::open(database).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.put_setting("account_id", "1").await.unwrap();
    // A column's name may have digits.
    let answered =
        AnsweredToken { request_sha256: "ab".to_owned(), response_json: "{}".to_owned() };
    tx.insert_answered_token("CreateThing", "token", &answered, 1).await.unwrap();
    for (name, parent) in [("z", None), ("m", Some("z")), ("a", Some("m"))] {
        assert!(tx.insert_thing_group(&group(name, parent)).await.unwrap());
    }
    add_things(&mut tx).await;
    tx.commit().await.unwrap();
    store
}

/// Rows that refer to others: each must come behind those.
async fn add_things(tx: &mut Tx) {
    let thing_type = ThingType {
        name: "pump".to_owned(),
        id: "id-pump".to_owned(),
        properties_json: "{}".to_owned(),
        created_at_ms: 1,
        deprecated_at_ms: None,
    };
    assert!(tx.insert_thing_type(&thing_type).await.unwrap());
    for name in ["core", "client"] {
        let thing = Thing {
            name: name.to_owned(),
            id: format!("id-{name}"),
            thing_type: Some("pump".to_owned()),
            attributes: Default::default(),
            version: 1,
            created_at_ms: 1,
        };
        assert!(tx.insert_thing(&thing).await.unwrap());
    }
    tx.associate_client_device("core", "client", 1).await.unwrap();
    let row = PresenceRow { is_connected: false, since_ms: 1, reason: None };
    tx.put_presence("core", &row).await.unwrap();
    let addresses = ConnectivityRow { version: "v".to_owned(), addresses_json: "[]".to_owned() };
    tx.put_connectivity("core", &addresses).await.unwrap();
    let template = ProvisioningTemplate {
        name: "T".to_owned(),
        kind: "FLEET_PROVISIONING".to_owned(),
        description: None,
        is_enabled: true,
        role_arn: "role".to_owned(),
        hook_json: None,
        default_version: 1,
        last_version: 1,
        created_at_ms: 1,
        modified_at_ms: 1,
    };
    tx.put_provisioning_template(&template).await.unwrap();
    let version = TemplateVersion { version: 1, body: "{}".to_owned(), created_at_ms: 1 };
    tx.insert_template_version("T", &version).await.unwrap();
}

async fn a_dump_is_restored_into_either_database_and_dumps_the_same(database: Database) {
    let store = filled(database.clone()).await;
    let first = dump(&store).await;
    store.close().await;
    let directory = tempfile::tempdir().unwrap();
    let other = sqlite_in(directory.path());
    Store::restore(other.clone(), &mut &*first, false).await.unwrap();
    let store = Store::open(other).await.unwrap();
    assert_eq!(dump(&store).await, first);
    Store::restore(database.clone(), &mut &*first, true).await.unwrap();
    let store = Store::open(database).await.unwrap();
    assert_eq!(dump(&store).await, first);
    let mut reader = store.read().await.unwrap();
    assert_eq!(reader.thing_group("a").await.unwrap(), Some(group("a", Some("m"))));
    let names = reader.group_names_after(GroupScope::All, "", "", 9).await.unwrap();
    assert_eq!(names, ["a", "m", "z"]);
}

async fn a_store_that_holds_a_cloud_is_replaced_only_when_asked(database: Database) {
    let store = filled(database.clone()).await;
    let whole = dump(&store).await;
    store.close().await;
    let error = Store::restore(database.clone(), &mut &*whole, false).await.unwrap_err();
    assert!(matches!(error, DumpStore::NotEmpty(_)), "{error}");
    // Cut off within a row: the store is as it was.
    let cut = &whole[..whole.len() - 5];
    let error = Store::restore(database.clone(), &mut &*cut, true).await.unwrap_err();
    assert!(matches!(error, DumpStore::Damaged { .. }), "{error}");
    let store = Store::open(database).await.unwrap();
    assert_eq!(dump(&store).await, whole);
}

async fn a_dump_of_the_first_schema_is_migrated(database: Database) {
    let old = br#"{"schema_version":1}
{"table":"access_keys","columns":["access_key_id","principal","sealed_secret","created_at"]}
["AKIA1","arn:aws:iam::1:root","sealed",7]
"#;
    Store::restore(database.clone(), &mut &old[..], false).await.unwrap();
    let store = Store::open(database).await.unwrap();
    let mut reader = store.read().await.unwrap();
    let key: Option<AccessKey> = reader.access_key("AKIA1").await.unwrap();
    assert_eq!(key.unwrap().created_at_ms, 7);
}

/// A migration makes the table of executions anew, and keeps what is in it.
async fn executions_of_an_older_schema_are_kept(database: Database) {
    let old = br#"{"schema_version":3}
{"table":"deployments","columns":["deployment_id","target_arn","revision","status","job_id","request_json","document_json","is_latest","is_deleted","created_at"]}
["d","arn:g",1,"ACTIVE","j","{}","{}",1,0,7]
{"table":"job_executions","columns":["job_id","thing_name","execution_number","status","is_pending","is_released","details_json","version","queued_at_s","started_at_s","updated_at_s","times_out_at_s"]}
["j","t",2,"IN_PROGRESS",1,0,"{}",3,4,5,6,65]
{"table":"job_rollouts","columns":["job_id","plan_json","progress_json","due_at_s"]}
["j","{}","{}",9]
"#;
    Store::restore(database.clone(), &mut &old[..], false).await.unwrap();
    let store = Store::open(database).await.unwrap();
    let mut reader = store.read().await.unwrap();
    let row = reader.execution("j", "t").await.unwrap().unwrap();
    assert_eq!((row.namespace.as_str(), row.number, row.version), ("aws-gg-deployment", 2, 3));
    assert_eq!((row.limit_at_s, row.times_out_at_s), (Some(65), Some(65)));
    assert_eq!((row.is_pending, row.is_released, row.failed_attempts), (true, false, 0));
    assert_eq!(reader.rollout("j").await.unwrap().unwrap().due_at_s, Some(9));
    assert_eq!(reader.timed_out_executions(65, 9).await.unwrap(), [row]);
}

async fn hostile_dumps_are_refused(database: Database) {
    for dump in [
        "",
        "{}\n",
        "{\"schema_version\":99999}\n",
        "{\"schema_version\":1}\n[1]\n",
        "{\"schema_version\":1}\n{\"table\":\"schema_version\",\"columns\":[\"version\"]}\n[1]\n",
        "{\"schema_version\":1}\n{\"table\":\"settings\",\"columns\":[\"name) --\"]}\n[1]\n",
        "{\"schema_version\":1}\n{\"table\":\"settings\",\"columns\":[\"name\"]}\n[1,2]\n",
    ] {
        let outcome = Store::restore(database.clone(), &mut dump.as_bytes(), false).await;
        assert!(outcome.is_err(), "{dump}");
    }
}

on_both! {
    a_dump_is_restored_into_either_database_and_dumps_the_same,
    a_store_that_holds_a_cloud_is_replaced_only_when_asked,
    a_dump_of_the_first_schema_is_migrated,
    executions_of_an_older_schema_are_kept,
    hostile_dumps_are_refused,
}

/// A table that a migration adds must be added to the dump too.
#[tokio::test]
async fn every_table_is_dumped() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(sqlite_in(directory.path())).await.unwrap();
    let mut reader = store.read().await.unwrap();
    let rows = sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        .fetch_all(reader.connection())
        .await
        .unwrap();
    let found: Vec<String> = rows.iter().map(|row| row.try_get("name").unwrap()).collect();
    let mut dumped: Vec<_> = TABLES.iter().chain(["schema_version"].iter()).collect();
    dumped.sort();
    assert_eq!(found, dumped.into_iter().copied().map(str::to_owned).collect::<Vec<_>>());
}
