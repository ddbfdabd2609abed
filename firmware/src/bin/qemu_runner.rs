//! Runs any model on an emulated board. The model lies where the host's loader has put it, its length is the first
//! argument; inputs come from the file `in`, outputs go to the file `out`, and the report is one line of JSON.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use semihosting::fs::File;
use semihosting::io::{Read, Write};
use semihosting::{print, println, process};
use thumbnet::{Arena, Model, Observer, Session, digest, self_test};
use thumbnet_firmware::qemu::{self, ARENA, fail};
use thumbnet_firmware::{meter, stack};

static mut MEMORY: Arena<ARENA> = Arena::new();

#[entry]
fn main() -> ! {
    if let Some(peripherals) = cortex_m::Peripherals::take() {
        meter::start(peripherals.SYST);
    }
    process::exit(i32::from(run().is_none()))
}

fn run() -> Option<()> {
    let bytes = qemu::model()?;
    // SAFETY: `run` is called once, and this is the only reference to the static.
    let memory = unsafe { (&raw mut MEMORY).as_mut() }?;
    let start = meter::now();
    let model = match Model::new(bytes) {
        Ok(model) => model,
        Err(error) => return fail("model", &error),
    };
    let load_ticks = meter::now() - start;
    let needed = model.arena_len().next_multiple_of(4).min(ARENA);
    let (arena, rest) = memory.split_at_mut(needed);
    let whole = rest.len() - rest.len() % size_of::<Record>();
    let records: &mut [Record] = bytemuck::cast_slice_mut(rest.get_mut(..whole)?);
    let Some(records) = records.get_mut(..model.steps().count()) else {
        return fail("arena", &"no room for the model beside the numbers of its steps");
    };
    let mut session = match Session::new(&model, arena) {
        Ok(session) => session,
        Err(error) => return fail("arena", &error),
    };
    if let Err(mismatch) = self_test(&mut session) {
        return fail("self-test", &mismatch);
    }
    let report = infer_all(&mut session, records)?;
    print(&model, load_ticks, &report);
    Some(())
}

/// What all inferences together did.
struct Report<'a> {
    meter: Meter<'a>,
    inferences: u64,
    least: u64,
    most: u64,
    stack: usize,
}

fn infer_all<'a>(session: &mut Session<'_>, records: &'a mut [Record]) -> Option<Report<'a>> {
    let (mut input, mut output) = match (File::open(c"in"), File::create(c"out")) {
        (Ok(input), Ok(output)) => (input, output),
        _ => return fail("files", &"cannot open \"in\" and \"out\""),
    };
    let mut report = Report { meter: Meter::new(records), inferences: 0, least: u64::MAX, most: 0, stack: 0 };
    while read_inputs(session, &mut input)? {
        report.meter.total = 0;
        let used = stack::high_water(|| {
            report.meter.mark = meter::begin();
            session.run_observed(&mut report.meter);
        });
        report.stack = report.stack.max(used);
        report.least = report.least.min(report.meter.total);
        report.most = report.most.max(report.meter.total);
        report.inferences += 1;
        for index in 0..session.model().output_count() {
            if output.write_all(session.output_bytes(index).ok()?).is_err() {
                return fail("output", &"cannot write the file \"out\"");
            }
        }
    }
    Some(report)
}

/// Fills all inputs; `false` at the end of the file.
fn read_inputs(session: &mut Session<'_>, file: &mut File) -> Option<bool> {
    for index in 0..session.model().input_count() {
        let mut buffer = session.input_bytes_mut(index).ok()?;
        let whole = buffer.len();
        while !buffer.is_empty() {
            match file.read(buffer) {
                Ok(0) if index == 0 && buffer.len() == whole => return Some(false),
                Ok(0) | Err(_) => return fail("input", &"the file \"in\" ends within an inference"),
                Ok(count) => buffer = buffer.get_mut(count..)?,
            }
        }
    }
    Some(true)
}

/// Digest of a step's outputs, ticks of its cheapest and of its dearest run.
type Record = [u32; 3];

/// Digest and time of every step, without the time that taking them takes.
struct Meter<'a> {
    records: &'a mut [Record],
    mark: u64,
    total: u64,
    overhead: u64,
}

impl<'a> Meter<'a> {
    fn new(records: &'a mut [Record]) -> Self {
        records.fill([0, u32::MAX, 0]);
        let start = meter::begin();
        let overhead = meter::end() - start;
        Self { records, mark: 0, total: 0, overhead }
    }
}

impl Observer for Meter<'_> {
    fn after(&mut self, step: usize, output: &[u8]) {
        let now = meter::end();
        let ticks = (now - self.mark).saturating_sub(self.overhead);
        self.total += ticks;
        if let Some([chain, least, most]) = self.records.get_mut(step) {
            *chain = digest(*chain, output);
            let (is_first, ticks) = (*least == u32::MAX, ticks as u32);
            if !meter::was_interrupted(self.mark, now) {
                *most = if is_first { ticks } else { ticks.max(*most) };
                *least = ticks.min(*least);
            } else if is_first {
                // Better than nothing, for a step that is longer than the timer.
                *most = ticks.max(*most);
            }
        }
        self.mark = meter::begin();
    }
}

fn print(model: &Model<'_>, load_ticks: u64, report: &Report<'_>) {
    let Report { inferences, least, most, stack, .. } = report;
    let head = model.head();
    print!("{{\"inferences\":{},\"ticks\":[{},{}],\"load_ticks\":{},", inferences, least, most, load_ticks);
    print!("\"peak_ram\":{},\"state\":{},\"stack\":{},\"steps\":[", head.arena_len, head.state_len, stack);
    for (step, [chain, least, most]) in report.meter.records.iter().enumerate() {
        print!("{}[{},{},{}]", if step == 0 { "" } else { "," }, chain, least.min(most), most);
    }
    println!("]}}");
}
