//! Not tests of behaviour: numbers, and a table for other readers to open. Run with
//! `cargo test --release -- --ignored --nocapture --test-threads=1`.

use std::time::Instant;

use delta_kernel::arrow::array::Array;

use super::*;
use crate::store::testing::*;

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn percentiles_ms(mut times: Vec<f64>) -> String {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    format!("p50 {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99))
}

/// Environment: BRIDGE_MEASURE_VERSIONS (default 5000), BRIDGE_MEASURE_CHECKPOINT_EVERY
/// (0 = never).
#[test]
#[ignore = "a measurement"]
fn puts_as_the_log_grows() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap())
    };
    let versions = number("BRIDGE_MEASURE_VERSIONS", 5_000);
    let checkpoint_every = number("BRIDGE_MEASURE_CHECKPOINT_EVERY", 0);
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    txns(&table, "");
    let (mut put_ms, mut file_ms) = (Vec::new(), Vec::new());
    for version in 1..=versions {
        let started = Instant::now();
        let file = finished(&table, DAY, rows(0, version as i64, 10));
        file_ms.push(started.elapsed().as_secs_f64() * 1e3);
        let request = request(&[("bronze/g/t/0", version as i64)], "token");
        let files = set(&[&file]);
        let started = Instant::now();
        expect(table.put(&request, &files).unwrap().outcome, Status::Ok);
        put_ms.push(started.elapsed().as_secs_f64() * 1e3);
        let report = version == 10 || version % (versions / 10).max(1) == 0;
        if checkpoint_every > 0 && version % checkpoint_every == 0 {
            let started = Instant::now();
            expect(table.checkpoint().unwrap(), Status::Ok);
            if report {
                let ms = started.elapsed().as_secs_f64() * 1e3;
                println!("checkpoint {ms:.1} ms, resident {} KiB", resident_kib());
            }
        }
        if report {
            println!(
                "version {version}: put {}; file {}; resident {} KiB",
                percentiles_ms(std::mem::take(&mut put_ms)),
                percentiles_ms(std::mem::take(&mut file_ms)),
                resident_kib()
            );
        }
    }
    let started = Instant::now();
    let fresh = loaded(&store, "bronze_a");
    println!("load {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    let started = Instant::now();
    assert_eq!(
        txns(&fresh, ""),
        [("bronze/g/t/0".to_owned(), versions as i64)]
    );
    println!("txns {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
}

#[test]
#[ignore = "a measurement"]
fn encoding_speed() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    let mut file = table.open_file(DAY).unwrap();
    let before = resident_kib();
    let batches: Vec<_> = (0..64).map(|i| events(i * 8_192, 8_192)).collect();
    let raw_bytes: usize = batches.iter().map(|b| b.get_array_memory_size()).sum();
    let started = Instant::now();
    let mut encoded = 0;
    for batch in batches {
        encoded = append(&mut file, batch).unwrap();
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{} bytes in {seconds:.2} s, {encoded} bytes encoded, resident grew by {} KiB",
        raw_bytes,
        resident_kib() - before
    );
    let started = Instant::now();
    let result = file.finish().unwrap();
    println!(
        "finish {:.1} ms, {} bytes",
        started.elapsed().as_secs_f64() * 1e3,
        result.bytes
    );
}

/// Rows like those of a real topic: JSON of some 200 bytes, arrival times in milliseconds.
fn events(first: i64, count: i64) -> delta_kernel::arrow::array::StructArray {
    use delta_kernel::arrow::array::{
        ArrayRef, StringArray, StructArray, TimestampMicrosecondArray,
    };
    let mut state = first as u64 + 1;
    let mut next = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let plain = rows(0, first, count);
    let mut columns = plain.columns().to_vec();
    let mut now_us = 1_769_850_000_000_000 + first * 1_000;
    let (mut raw, mut created, mut ingested) = (Vec::new(), Vec::new(), Vec::new());
    for offset in first..first + count {
        now_us += 1_000 * next(12) as i64;
        created.push(now_us);
        ingested.push(now_us + 500_000 + offset * 7 + next(900) as i64);
        raw.push(format!(
            r#"{{"event_id":"{:016x}","type":"ride_requested","rider":{},"driver":{},"lat":{}.{},"lon":{}.{},"fare":{}.{},"ts":{}}}"#,
            next(u64::MAX), next(100_000), next(5_000), next(90), next(1_000_000), next(180),
            next(1_000_000), next(100), next(100), now_us / 1_000
        ));
    }
    let times = |values: Vec<i64>| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
    };
    columns[0] = Arc::new(StringArray::from(raw));
    columns[3] = times(created);
    columns[4] = times(ingested);
    StructArray::new(plain.fields().clone(), columns, None)
}

/// Environment: BRIDGE_MEASURE_KEEP, a directory in which the table stays.
#[test]
#[ignore = "makes a table for other readers"]
fn a_table_for_other_readers() {
    let Ok(keep) = std::env::var("BRIDGE_MEASURE_KEEP") else {
        return;
    };
    let store = local_at(std::path::Path::new(&keep));
    let table = created(&store, "bronze_a");
    for step in 0..30_i64 {
        let one = finished(&table, DAY, rows(0, step * 100, 100));
        let two = finished(&table, NEXT_DAY, rows(1, step * 10, 10));
        let request = request(
            &[
                ("bronze/g/t/0", step * 100 + 100),
                ("bronze/g/t/1", step * 10 + 10),
            ],
            "token",
        );
        expect(
            table.put(&request, &set(&[&one, &two])).unwrap().outcome,
            Status::Ok,
        );
        if step == 19 {
            expect(table.checkpoint().unwrap(), Status::Ok);
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn memory_of_many_open_files() {
    let (_directory, store) = local();
    let table = created(&store, "bronze_a");
    let before = resident_kib();
    let mut files: Vec<_> = (0..500).map(|_| table.open_file(DAY).unwrap()).collect();
    println!("open: {} KiB a file", (resident_kib() - before) / 500);
    for (count, what) in [
        (10, "10 rows"),
        (1_000, "1,010 rows"),
        (8_192, "9,202 rows"),
    ] {
        let mut encoded = 0;
        for file in &mut files {
            encoded = append(file, rows(0, 0, count)).unwrap();
        }
        let held = (resident_kib() - before) / 500;
        println!("{what}: {held} KiB a file, {encoded} bytes reported");
    }
    for file in &mut files {
        file.finish().unwrap();
    }
    println!("finished: {} KiB a file", (resident_kib() - before) / 500);
}

/// Environment: BRIDGE_MEASURE_S3, an endpoint with a bucket named `bucket`.
#[test]
#[ignore = "needs an S3 server"]
fn against_an_s3_server() {
    let Ok(endpoint) = std::env::var("BRIDGE_MEASURE_S3") else {
        return;
    };
    let store = s3_at(&endpoint);
    expect(store.probe_put_if_absent().unwrap(), Status::Ok);
    let name = format!("bronze_{}", uuid::Uuid::new_v4().simple());
    let absent = store.table(&name).unwrap();
    expect(absent.load().unwrap(), Status::Missing);
    let table = created(&store, &name);
    expect(absent.create(&spec()).unwrap(), Status::Conflict);
    expect(absent.load().unwrap(), Status::Ok);
    for step in 1..=30_i64 {
        let file = finished(&table, DAY, rows(0, step, 10));
        let put = table
            .put(&request(&[("a", step)], "tok"), &set(&[&file]))
            .unwrap();
        expect(put.outcome, Status::Ok);
        if step == 20 {
            expect(table.checkpoint().unwrap(), Status::Ok);
        }
    }
    let conflict = put(&absent, &[("b", 1)], "other");
    expect(conflict.outcome, Status::Conflict);
    assert!(conflict.sent);
    let fresh = loaded(&store, &name);
    assert_eq!(txns(&fresh, ""), [("a".to_owned(), 30)]);
    assert!(fresh.find_token("tok", 29).unwrap().found);
    expect(fresh.confirm().unwrap(), Status::Ok);
    let mut file = fresh.open_file(DAY).unwrap();
    for first in 0..40_i64 {
        append(&mut file, noise(first, 5_000)).unwrap();
    }
    let result = file.finish().unwrap();
    expect(result.outcome, Status::Ok);
    println!("{} bytes in parts", result.bytes);
    expect(file.discard().unwrap(), Status::Ok);
    expect(file.discard().unwrap(), Status::Ok);
}

/// Rows whose payload zstd cannot shrink much.
fn noise(seed: i64, count: i64) -> delta_kernel::arrow::array::StructArray {
    use delta_kernel::arrow::array::{ArrayRef, StringArray, StructArray};
    let mut state = seed as u64 + 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let plain = rows(0, seed * count, count);
    let payload = (0..count).map(|_| {
        (0..30)
            .map(|_| format!("{:016x}", next()))
            .collect::<String>()
    });
    let payload: ArrayRef = Arc::new(StringArray::from_iter_values(payload));
    let mut columns = plain.columns().to_vec();
    columns[0] = payload;
    StructArray::new(plain.fields().clone(), columns, None)
}
