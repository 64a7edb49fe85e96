//! The few functions of `wasi_snapshot_preview1` that Rust's standard library needs in the module: clocks, random bytes, no environment,
//! and a standard error for panics.

use wasmtime::{Caller, Error, Linker, Result};

use crate::abi::{Done, Host, read, write};

const MODULE: &str = "wasi_snapshot_preview1";
const SUCCESS: i32 = 0;
const REALTIME: i32 = 0;
/// A monotonic clock begins anywhere but at nothing.
const MONOTONIC_BEGINS_NS: u64 = 1_000_000_000;
const NUMBER_BYTES: i32 = 8;

pub fn add(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(MODULE, "clock_time_get", |mut caller: Caller<'_, Host>, clock: i32, _: i64, to: i32| {
        let host = caller.data();
        let now = if clock == REALTIME { unix_ns(host) } else { MONOTONIC_BEGINS_NS + elapsed_ns(host) };
        write(&mut caller, to, &now.to_le_bytes());
        SUCCESS
    })?;
    linker.func_wrap(MODULE, "random_get", |mut caller: Caller<'_, Host>, to: i32, bytes: i32| {
        let host = caller.data_mut();
        if host.are_numbered && bytes == NUMBER_BYTES {
            let number = host.numbers.pop_front().unwrap_or_default();
            host.done.push(Done::Drew(number));
            write(&mut caller, to, &number.to_le_bytes());
        } else {
            let any: Vec<u8> = (1..=u8::MAX).cycle().take(bytes as usize).collect();
            write(&mut caller, to, &any);
        }
        SUCCESS
    })?;
    linker.func_wrap(MODULE, "environ_sizes_get", |mut caller: Caller<'_, Host>, count_to: i32, bytes_to: i32| {
        write(&mut caller, count_to, &0u32.to_le_bytes());
        write(&mut caller, bytes_to, &0u32.to_le_bytes());
        SUCCESS
    })?;
    linker.func_wrap(MODULE, "environ_get", |_: i32, _: i32| SUCCESS)?;
    linker.func_wrap(MODULE, "fd_write", |mut caller: Caller<'_, Host>, _: i32, parts: i32, count: i32, written_to: i32| {
        let list = read(&mut caller, parts, count * 8);
        let mut written = 0;
        for part in list.chunks_exact(8) {
            let number = |at: usize| i32::from_le_bytes([part[at], part[at + 1], part[at + 2], part[at + 3]]);
            let text = read(&mut caller, number(0), number(4));
            caller.data_mut().stderr.push_str(&String::from_utf8_lossy(&text));
            written += text.len();
        }
        write(&mut caller, written_to, &u32::try_from(written).unwrap().to_le_bytes());
        SUCCESS
    })?;
    linker.func_wrap(MODULE, "proc_exit", |code: i32| -> Result<()> { Err(Error::msg(format!("the module exits with {code}"))) })?;
    Ok(())
}

pub fn unix_ns(host: &Host) -> u64 {
    host.begins_unix_ms * 1_000_000 + elapsed_ns(host)
}

fn elapsed_ns(host: &Host) -> u64 {
    u64::try_from(host.now.as_nanos()).expect("a trace is shorter than centuries")
}
