//! Parts: their names, their sizes, and what can be asked of them later.

use rivet_plugin_api::{Category, Format, FormatKind, PutRequest, WriteRequest};

use super::{Destination, content, sample};
use crate::check::{ensure, refused};
use crate::suite::Outcome;

pub(super) fn a_taken_name_is_a_conflict(destination: &Destination) -> Outcome {
    let request = destination.request("taken")?;
    let receipt = destination.write(&request, &sample::noise(1, 10))?;
    let before = destination.list();
    refused("a taken name", destination.begin(&request, &sample::small()), Category::Conflict)?;
    destination.unchanged("a refused name", &before)?;
    for part in &receipt.parts {
        content::fetch(destination, part)?;
    }
    destination.tidy(&receipt)
}

pub(super) fn replace_overwrites(destination: &Destination) -> Outcome {
    let request = destination.request("replace")?;
    // Several parts, then one: a redo may make fewer, and the old ones must not stay beside it.
    let format = Format { max_file_size: Some(64 << 10), ..request.format.clone() };
    let several = WriteRequest { format, ..request.clone() };
    let before = destination.list();
    destination.write(&several, &sample::noise(4, 20_000))?;
    let receipt = destination.write(&WriteRequest { replace: true, ..request }, &sample::noise(1, 10))?;
    ensure!(receipt.parts.len() == 1, "{} parts were made of ten rows", receipt.parts.len());
    content::fetch(destination, &receipt.parts[0])?;
    let new: Vec<_> = destination.list().into_iter().filter(|name| !before.contains(name)).collect();
    ensure!(new == [receipt.parts[0].name.clone()], "after a redo there are {new:?}");
    destination.tidy(&receipt)
}

pub(super) fn large_output_comes_in_whole_parts(destination: &Destination) -> Outcome {
    const LIMIT: u64 = 256 << 10;
    let request = destination.request("parts")?;
    let format = Format { max_file_size: Some(LIMIT), ..request.format };
    let request = WriteRequest { format, ..request };
    let batches = sample::noise(12, 10_000);
    let receipt = destination.write(&request, &batches)?;
    let (rows, count) = (receipt.parts.iter().map(|part| part.rows).sum::<u64>(), receipt.parts.len());
    ensure!(rows == 120_000, "the parts hold {rows} rows of 120000");
    ensure!(count > 1, "960 kB that do not compress are one part against a limit of {LIMIT} bytes");
    for (i, part) in receipt.parts.iter().enumerate() {
        let name = request.part_name(i, true);
        ensure!(part.name == name, "part {i} is named \"{}\", not \"{name}\"", part.name);
        // The batch that reaches the limit still belongs to the part; in CSV a row of it takes up to 21 bytes.
        ensure!(part.bytes <= LIMIT + (220 << 10), "\"{name}\" has {} bytes, the limit is {LIMIT}", part.bytes);
    }
    match request.format.kind {
        FormatKind::Csv => {
            for part in &receipt.parts {
                let records = content::csv_records(&content::fetch(destination, part)?)?;
                ensure!(records == part.rows + 1, "\"{}\": {records} records, {} rows", part.name, part.rows);
            }
        }
        FormatKind::Parquet | FormatKind::Arrow => {
            let whole = arrow_select::concat::concat_batches(&batches[0].schema(), &batches)?;
            content::same(&whole, &content::read(destination, &receipt, &request.format)?)?;
        }
    }
    destination.tidy(&receipt)
}

pub(super) fn stat_equals_receipt(destination: &Destination) -> Outcome {
    let request = destination.request("stat")?;
    let mut handle = destination.open()?;
    let none = handle.stat(&request.part_name(0, false))?;
    ensure!(none.is_none(), "a part that does not exist has a stat: {none:?}");
    let receipt = destination.write(&request, &sample::noise(1, 1000))?;
    for part in &receipt.parts {
        let Some(stat) = handle.stat(&part.name)? else { return Err(format!("\"{}\" has no stat", part.name).into()) };
        ensure!(stat.bytes == part.bytes, "stat says {} bytes, the receipt {}", stat.bytes, part.bytes);
        let same = stat.checksum.is_none() || stat.checksum.as_ref() == Some(&part.checksum);
        ensure!(same, "stat says {:?}, the receipt {}", stat.checksum, part.checksum);
        let (found, told) = (&stat.store_checksum, &part.store_checksum);
        ensure!(found.is_none() || found == told, "stat says {found:?} of the store's, the receipt {told:?}");
    }
    destination.tidy(&receipt)
}

pub(super) fn remove_is_idempotent(destination: &Destination) -> Outcome {
    let before = destination.list();
    let receipt = destination.write(&destination.request("remove")?, &sample::noise(1, 10))?;
    let mut handle = destination.open()?;
    for _ in 0..2 {
        for part in &receipt.parts {
            handle.remove(&part.name)?;
        }
        destination.unchanged("\"remove\"", &before)?;
    }
    Ok(())
}

pub(super) fn stat_is_refused(destination: &Destination) -> Outcome {
    refused("\"stat\"", destination.open()?.stat("kit.parquet"), Category::Unsupported).map(drop)
}

pub(super) fn remove_is_refused(destination: &Destination) -> Outcome {
    refused("\"remove\"", destination.open()?.remove("kit.parquet"), Category::Unsupported).map(drop)
}

pub(super) fn put_keeps_what_is_there(destination: &Destination) -> Outcome {
    let (before, name) = (destination.list(), format!("{}.manifest.json", destination.request("put")?.base_name));
    let mut handle = destination.open()?;
    let request = PutRequest { name: name.clone(), content: "{\"a\": 1}\n".to_owned(), replace: false };
    let put = handle.put(&request)?;
    ensure!((put.name.as_str(), put.bytes) == (name.as_str(), 9), "\"put\" answers {put:?}");
    refused("a taken name", handle.put(&request), Category::Conflict)?;
    let content = "{}".to_owned();
    let put = handle.put(&PutRequest { replace: true, content, ..request })?;
    ensure!(put.bytes == 2, "after replacing, \"put\" answers {put:?}");
    if destination.half()?.capabilities.stat {
        let stat = handle.stat(&name)?;
        ensure!(stat.as_ref().is_some_and(|stat| stat.bytes == 2), "what was put has the stat {stat:?}");
    }
    if destination.half()?.capabilities.remove {
        handle.remove(&name)?;
        destination.unchanged("\"put\"", &before)?;
    }
    Ok(())
}

pub(super) fn put_is_refused(destination: &Destination) -> Outcome {
    let request = PutRequest { name: "kit.json".to_owned(), ..PutRequest::default() };
    refused("\"put\"", destination.open()?.put(&request), Category::Unsupported).map(drop)
}
