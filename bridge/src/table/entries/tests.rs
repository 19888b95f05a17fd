use std::fs;

use super::*;
use crate::store::testing::*;

fn ranges(table: &Table) -> Vec<(u64, u64)> {
    let versions = table.log_versions().unwrap();
    expect(versions.outcome, Status::Ok);
    versions.entries.iter().map(|r| (r.first, r.next)).collect()
}

#[test]
fn versions_are_told_with_their_holes() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    for version in 1..8 {
        put_ok(&table, &[("a", version)], "t");
    }
    assert_eq!(ranges(&table), [(0, 8)]);
    assert_eq!(table.log_versions().unwrap().checkpoint, -1);
    expect(table.checkpoint().unwrap(), Status::Ok);
    assert_eq!(table.log_versions().unwrap().checkpoint, 7);
    for version in [0, 4] {
        let name = format!("{version:020}.json");
        fs::remove_file(log_file(&directory, "bronze_a", &name)).unwrap();
    }
    assert_eq!(ranges(&table), [(1, 4), (5, 8)]);
}

#[test]
fn entries_tell_their_operation_parameters_txns_and_files() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    let file = finished(&table, DAY, rows(0, 0, 3));
    let answer = table
        .put(&request(&[("bronze/g/t/0", 3)], "tok"), &set(&[&file]))
        .unwrap();
    expect(answer.outcome, Status::Ok);
    put_ok(&table, &[("x", 1)], "t");
    let broken = log_file(&directory, "bronze_a", &format!("{:020}.json", 2));
    fs::write(broken, "{\"commitInfo\":{}}\nnonsense\n").unwrap();

    let entries = table.log_entries(0, 4).unwrap().entries;

    let versions: Vec<u64> = entries.iter().map(|entry| entry.version).collect();
    assert_eq!(versions, [0, 1, 2, 3]);
    assert_eq!(entries[0].operation, "CREATE TABLE");
    let written = &entries[1];
    expect(written.outcome.clone(), Status::Ok);
    assert_eq!(written.operation, "STREAMING UPDATE");
    assert!(written.timestamp_ms > 0);
    assert_eq!((written.files_added, written.files_removed), (1, 0));
    assert_eq!(written.txns[0].app_id, "bronze/g/t/0");
    assert_eq!(written.txns[0].version, 3);
    let token = written.parameters.iter().find(|p| p.key == "bronzeToken");
    assert_eq!(token.unwrap().value, "tok");
    expect(entries[2].outcome.clone(), Status::Corrupt);
    expect(entries[3].outcome.clone(), Status::Missing);
}

#[test]
fn entries_are_read_in_parts() {
    let (directory, store) = local();
    let table = created(&store, "bronze_a");
    put_ok(&table, &[("x", 1)], "t");
    // Larger than any part, with lines that parts cut anywhere, and no break at the end.
    let mut lines = vec!["{\"commitInfo\":{\"operation\":\"OPTIMIZE\"}}".to_owned()];
    for file in 0..2_000 {
        let padding = "x".repeat(file % 97);
        lines.push(format!("{{\"remove\":{{\"path\":\"{file}{padding}\"}}}}"));
    }
    lines.push(format!(
        "{{\"add\":{{\"path\":\"{}\"}}}}",
        "y".repeat(100_000)
    ));
    let path = log_file(&directory, "bronze_a", &format!("{:020}.json", 1));
    fs::write(path, lines.join("\n")).unwrap();

    let entries = table.log_entries(1, 2).unwrap().entries;

    expect(entries[0].outcome.clone(), Status::Ok);
    assert_eq!(entries[0].operation, "OPTIMIZE");
    assert_eq!(
        (entries[0].files_added, entries[0].files_removed),
        (1, 2_000)
    );
}
