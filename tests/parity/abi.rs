//! A host of the proxy-wasm ABI 0.2.1, as small as the module needs it: what Envoy would be asked, answered out of memory.
//!
//! Time stands still within a call of the module and is set between them. Whatever the module does is noted in order, for whoever
//! plays Envoy. A function that is not here ends the call that needs it, by name. Knows no policy and no trace.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use wasmtime::{Caller, Engine, Extern, Instance, Linker, Memory, Module, Result, Store, TypedFunc, WasmParams, WasmResults};

use crate::http::Response;
use crate::wasi;

const OK: i32 = 0;
const NOT_FOUND: i32 = 1;
const BAD_ARGUMENT: i32 = 2;
const CAS_MISMATCH: i32 = 8;

const HTTP_CALL_RESPONSE_BODY: i32 = 4;
const PLUGIN_CONFIGURATION: i32 = 7;
const HTTP_CALL_RESPONSE_HEADERS: i32 = 6;

const ROOT_CONTEXT: i32 = 1;

/// What the module did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    Logged {
        level: i32,
        text: String,
    },
    Called {
        token: i32,
        cluster: String,
        headers: Vec<(String, String)>,
    },
    /// A number of 8 bytes was drawn.
    Drew(u64),
}

/// Envoy, as the module sees it.
pub struct Host {
    /// Since the beginning.
    pub now: Duration,
    pub begins_unix_ms: u64,
    pub done: Vec<Done>,
    /// The next numbers of 8 bytes, from the moment that the log says these words; before it, and in other lengths, any will do.
    pub numbers: VecDeque<u64>,
    pub numbers_after: &'static str,
    /// What the module wrote to its standard error: the message of a panic.
    pub stderr: String,
    pub tick: Option<Duration>,
    pub(crate) are_numbered: bool,
    configuration: Vec<u8>,
    response: Option<Response>,
    shared: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    metrics: Vec<u64>,
    calls: i32,
}

/// One VM, configured and ready to tick.
pub struct Vm {
    pub store: Store<Host>,
    instance: Instance,
}

/// Compiled once, for as many VMs as are wanted.
pub struct Compiled {
    module: Module,
    linker: Linker<Host>,
}

impl Host {
    pub fn new(configuration: Vec<u8>, begins_unix_ms: u64, numbers: VecDeque<u64>, numbers_after: &'static str) -> Self {
        Self {
            now: Duration::ZERO,
            begins_unix_ms,
            done: Vec::new(),
            numbers,
            numbers_after,
            stderr: String::new(),
            tick: None,
            are_numbered: false,
            configuration,
            response: None,
            shared: BTreeMap::new(),
            metrics: Vec::new(),
            calls: 0,
        }
    }
}

impl Compiled {
    pub fn of(path: &Path) -> Result<Self> {
        let engine = Engine::default();
        let module = Module::from_file(&engine, path)?;
        let mut linker = Linker::new(&engine);
        wasi::add(&mut linker)?;
        add_log_and_time(&mut linker)?;
        add_buffers(&mut linker)?;
        add_calls(&mut linker)?;
        add_shared_data(&mut linker)?;
        add_metrics(&mut linker)?;
        linker.define_unknown_imports_as_traps(&module)?;
        Ok(Self { module, linker })
    }

    /// What Envoy does with a plugin that it is configured with.
    pub fn start(&self, host: Host) -> Result<Vm> {
        let configuration_bytes = i32::try_from(host.configuration.len())?;
        let mut store = Store::new(self.module.engine(), host);
        let instance = self.linker.instantiate(&mut store, &self.module)?;
        let mut vm = Vm { store, instance };
        vm.call::<(), ()>("_initialize", ())?;
        vm.call::<_, ()>("proxy_on_context_create", (ROOT_CONTEXT, 0))?;
        let started: i32 = vm.call("proxy_on_vm_start", (ROOT_CONTEXT, 0))?;
        let configured: i32 = vm.call("proxy_on_configure", (ROOT_CONTEXT, configuration_bytes))?;
        wasmtime::ensure!(started == 1 && configured == 1, "the module refuses its configuration: {:?}", vm.store.data().done);
        Ok(vm)
    }
}

impl Vm {
    pub fn tick(&mut self) -> Result<()> {
        self.call("proxy_on_tick", (ROOT_CONTEXT,))
    }

    pub fn answer(&mut self, token: i32, response: Response) -> Result<()> {
        let (headers, body_bytes) = (i32::try_from(response.headers.len())?, i32::try_from(response.body.len())?);
        self.store.data_mut().response = Some(response);
        let answered = self.call("proxy_on_http_call_response", (ROOT_CONTEXT, token, headers, body_bytes, 0));
        self.store.data_mut().response = None;
        answered
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, parameters: P) -> Result<R> {
        let function: TypedFunc<P, R> = self.instance.get_typed_func(&mut self.store, name)?;
        function.call(&mut self.store, parameters).map_err(|trap| {
            let Host { stderr, done, .. } = self.store.data();
            trap.context(format!("{name} ended the VM: {stderr}; before: {done:?}"))
        })
    }
}

fn add_log_and_time(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap("env", "proxy_log", |mut caller: Caller<'_, Host>, level: i32, at: i32, bytes: i32| {
        let text = String::from_utf8_lossy(&read(&mut caller, at, bytes)).into_owned();
        let host = caller.data_mut();
        host.are_numbered |= text.contains(host.numbers_after);
        host.done.push(Done::Logged { level, text });
        OK
    })?;
    linker.func_wrap("env", "proxy_get_log_level", |mut caller: Caller<'_, Host>, to: i32| {
        const INFO: u32 = 2;
        write(&mut caller, to, &INFO.to_le_bytes());
        OK
    })?;
    linker.func_wrap("env", "proxy_get_current_time_nanoseconds", |mut caller: Caller<'_, Host>, to: i32| {
        let now = wasi::unix_ns(caller.data());
        write(&mut caller, to, &now.to_le_bytes());
        OK
    })?;
    linker.func_wrap("env", "proxy_set_tick_period_milliseconds", |mut caller: Caller<'_, Host>, period_ms: i32| {
        caller.data_mut().tick = Some(Duration::from_millis(u64::from(period_ms as u32)));
        OK
    })?;
    linker.func_wrap("env", "proxy_set_effective_context", |_: i32| OK)?;
    // No request is under way, and nothing else has properties here.
    linker.func_wrap("env", "proxy_get_property", |_: i32, _: i32, _: i32, _: i32| NOT_FOUND)?;
    Ok(())
}

fn add_buffers(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_buffer_bytes",
        |mut caller: Caller<'_, Host>, kind: i32, start: i32, bytes_max: i32, to: i32, size_to: i32| {
            let host = caller.data();
            let buffer = match (kind, &host.response) {
                (PLUGIN_CONFIGURATION, _) => &host.configuration,
                (HTTP_CALL_RESPONSE_BODY, Some(response)) => &response.body,
                _ => return Ok(NOT_FOUND),
            };
            let start = (start as u32 as usize).min(buffer.len());
            let end = start.saturating_add(bytes_max as u32 as usize).min(buffer.len());
            let part = buffer[start..end].to_vec();
            give(&mut caller, &part, to, size_to)
        },
    )?;
    linker.func_wrap("env", "proxy_get_header_map_pairs", |mut caller: Caller<'_, Host>, kind: i32, to: i32, size_to: i32| {
        match (kind, &caller.data().response) {
            (HTTP_CALL_RESPONSE_HEADERS, Some(response)) => {
                let pairs = pairs(&response.headers);
                give(&mut caller, &pairs, to, size_to)
            }
            _ => Ok(BAD_ARGUMENT),
        }
    })?;
    linker.func_wrap(
        "env",
        "proxy_get_header_map_value",
        |mut caller: Caller<'_, Host>, kind: i32, name: i32, name_bytes: i32, to: i32, size_to: i32| {
            let name = read(&mut caller, name, name_bytes);
            let headers =
                caller.data().response.iter().filter(|_| kind == HTTP_CALL_RESPONSE_HEADERS).flat_map(|response| &response.headers);
            let value = headers.into_iter().find(|(other, _)| other.as_bytes() == name).map(|(_, value)| value.clone());
            match value {
                Some(value) => give(&mut caller, value.as_bytes(), to, size_to),
                None => Ok(NOT_FOUND),
            }
        },
    )?;
    Ok(())
}

fn add_calls(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_http_call",
        |mut caller: Caller<'_, Host>,
         cluster: i32,
         cluster_bytes: i32,
         headers: i32,
         headers_bytes: i32,
         _: i32,
         _: i32,
         _: i32,
         _: i32,
         _: i32,
         token_to: i32| {
            let cluster = String::from_utf8(read(&mut caller, cluster, cluster_bytes)).unwrap();
            let headers = unpaired(&read(&mut caller, headers, headers_bytes));
            let host = caller.data_mut();
            host.calls += 1;
            let token = host.calls;
            host.done.push(Done::Called { token, cluster, headers });
            write(&mut caller, token_to, &token.to_le_bytes());
            OK
        },
    )?;
    Ok(())
}

fn add_shared_data(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_shared_data",
        |mut caller: Caller<'_, Host>, key: i32, key_bytes: i32, to: i32, size_to: i32, cas_to: i32| {
            let key = read(&mut caller, key, key_bytes);
            let Some((value, cas)) = caller.data().shared.get(&key).cloned() else { return Ok(NOT_FOUND) };
            write(&mut caller, cas_to, &cas.to_le_bytes());
            give(&mut caller, &value, to, size_to)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_shared_data",
        |mut caller: Caller<'_, Host>, key: i32, key_bytes: i32, value: i32, value_bytes: i32, cas: i32| {
            let (key, value) = (read(&mut caller, key, key_bytes), read(&mut caller, value, value_bytes));
            let shared = &mut caller.data_mut().shared;
            let before = shared.get(&key).map_or(0, |(_, cas)| *cas);
            if cas != 0 && cas as u32 != before {
                return CAS_MISMATCH;
            }
            shared.insert(key, (value, before + 1));
            OK
        },
    )?;
    Ok(())
}

fn add_metrics(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap("env", "proxy_define_metric", |mut caller: Caller<'_, Host>, _: i32, _: i32, _: i32, id_to: i32| {
        let metrics = &mut caller.data_mut().metrics;
        let id = u32::try_from(metrics.len()).unwrap();
        metrics.push(0);
        write(&mut caller, id_to, &id.to_le_bytes());
        OK
    })?;
    linker.func_wrap("env", "proxy_record_metric", |mut caller: Caller<'_, Host>, id: i32, value: i64| {
        caller.data_mut().metrics.get_mut(id as usize).map_or(NOT_FOUND, |metric| {
            *metric = value as u64;
            OK
        })
    })?;
    linker.func_wrap("env", "proxy_increment_metric", |mut caller: Caller<'_, Host>, id: i32, by: i64| {
        caller.data_mut().metrics.get_mut(id as usize).map_or(NOT_FOUND, |metric| {
            *metric = metric.wrapping_add_signed(by);
            OK
        })
    })?;
    linker.func_wrap("env", "proxy_get_metric", |mut caller: Caller<'_, Host>, id: i32, to: i32| {
        let Some(metric) = caller.data().metrics.get(id as usize).copied() else { return NOT_FOUND };
        write(&mut caller, to, &metric.to_le_bytes());
        OK
    })?;
    Ok(())
}

/// As the ABI lays a map of headers out: how many, all lengths, all texts.
fn pairs(headers: &[(String, String)]) -> Vec<u8> {
    let mut bytes = u32::try_from(headers.len()).unwrap().to_le_bytes().to_vec();
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(&u32::try_from(text.len()).unwrap().to_le_bytes());
    }
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    bytes
}

fn unpaired(bytes: &[u8]) -> Vec<(String, String)> {
    let number = |place: usize| u32::from_le_bytes(bytes[place * 4..place * 4 + 4].try_into().unwrap()) as usize;
    let count = number(0);
    let mut at = (1 + 2 * count) * 4;
    let mut text = |place: usize| {
        let text = String::from_utf8(bytes[at..at + number(place)].to_vec()).unwrap();
        at += text.len() + 1;
        text
    };
    (0..count).map(|pair| (text(1 + 2 * pair), text(2 + 2 * pair))).collect()
}

fn memory(caller: &mut Caller<'_, Host>) -> Memory {
    caller.get_export("memory").and_then(Extern::into_memory).expect("a module has a memory")
}

pub fn read(caller: &mut Caller<'_, Host>, at: i32, bytes: i32) -> Vec<u8> {
    let (at, bytes) = (at as u32 as usize, bytes as u32 as usize);
    memory(caller).data(&caller)[at..at + bytes].to_vec()
}

pub fn write(caller: &mut Caller<'_, Host>, at: i32, bytes: &[u8]) {
    memory(caller).write(caller, at as u32 as usize, bytes).expect("the module has room for what it asks for");
}

/// Hands bytes to the module, in memory that it allocates itself.
fn give(caller: &mut Caller<'_, Host>, bytes: &[u8], to: i32, size_to: i32) -> Result<i32> {
    let size = i32::try_from(bytes.len())?;
    let allocate = caller.get_export("proxy_on_memory_allocate").and_then(Extern::into_func).expect("the module allocates");
    let at = if size == 0 { 0 } else { allocate.typed::<i32, i32>(&caller)?.call(&mut *caller, size)? };
    write(caller, at, bytes);
    write(caller, to, &at.to_le_bytes());
    write(caller, size_to, &size.to_le_bytes());
    Ok(OK)
}
