//! Reads a program's machine code as `objdump` prints it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// One function: its instructions, and where it goes from there.
#[derive(Default)]
pub struct Function {
    pub instructions: Vec<String>,
    /// The functions that it calls or jumps to.
    pub goes_to: BTreeSet<String>,
    /// Calls and jumps to a place that is only known at run time.
    pub unknown: usize,
}

/// The functions of a program, by their symbols.
pub struct Program(pub BTreeMap<String, Function>);

impl Program {
    /// Disassembles a program.
    ///
    /// # Panics
    ///
    /// Without `objdump`: the checks need it, so there is no passing without it.
    pub fn read(path: &Path) -> Self {
        let code = objdump(&["--disassemble", "--no-show-raw-insn"], path);
        let slots = objdump(&["--dynamic-reloc"], path);
        let program = Self::parse(&code, &slots);
        assert!(program.0.len() > 500, "objdump prints something else than expected");
        program
    }

    fn parse(code: &str, slots: &str) -> Self {
        let by_address: BTreeMap<u64, &str> = code.lines().filter_map(heading).collect();
        // `000000000011f830 R_X86_64_RELATIVE  *ABS*+0x00000000000358d0`: what the
        // loader puts into the slot of a call by way of memory.
        let by_slot: BTreeMap<u64, &str> = slots
            .lines()
            .filter_map(|line| {
                let (slot, value) = line.split_once(" R_X86_64_")?;
                let slot = u64::from_str_radix(slot, 16).ok()?;
                match value.split_once("*ABS*+0x") {
                    Some((_, to)) => {
                        Some((slot, *by_address.get(&u64::from_str_radix(to, 16).ok()?)?))
                    }
                    None => Some((slot, value.split_whitespace().nth(1)?)),
                }
            })
            .collect();

        let mut functions = BTreeMap::<String, Function>::new();
        let mut current = "";
        for line in code.lines() {
            if let Some((_, symbol)) = heading(line) {
                current = symbol;
                functions.entry(current.to_owned()).or_default();
                continue;
            }
            let Some((_, instruction)) = line.split_once(":\t") else { continue };
            let Some(function) = functions.get_mut(current) else { continue };
            function.instructions.push(instruction.to_owned());
            if !instruction.starts_with("call") && !instruction.starts_with('j') {
                continue;
            }
            // `call   *0xe0cc9(%rip)        # 116810 <_DYNAMIC+0x2e8>`, or
            // `call   3cd40 <symbol+0x10>`.
            let target = match instruction.split_once("(%rip)") {
                Some((_, comment)) => slot(comment).and_then(|slot| by_slot.get(&slot).copied()),
                None => instruction.split_once('<').map(|(_, target)| {
                    let target = target.trim_end_matches('>');
                    target.rsplit_once("+0x").map_or(target, |(symbol, _)| symbol)
                }),
            };
            match target {
                Some(target) if target == current => {}
                Some(target) => drop(function.goes_to.insert(target.to_owned())),
                None => function.unknown += 1,
            }
        }
        Self(functions)
    }

    /// The functions whose symbols end, or have before their hash, with `name`.
    ///
    /// # Panics
    ///
    /// If there is none: a check of nothing would pass.
    pub fn named(&self, name: &str) -> Vec<&str> {
        let legacy = format!("{}{name}17h", name.len());
        let found: Vec<_> = self
            .0
            .keys()
            .filter(|symbol| {
                symbol.contains(&legacy)
                    || symbol.strip_suffix(name).is_some_and(|before| !before.ends_with('_'))
            })
            .map(String::as_str)
            .collect();
        assert!(!found.is_empty(), "the program has no function `{name}`: was it renamed?");
        found
    }

    /// Everything that can be reached from some functions by calls and jumps to
    /// known places, with the way there; where `ends` is true, the way ends.
    pub fn reached_from<'a>(
        &'a self,
        roots: &[&'a str],
        ends: impl Fn(&str) -> bool,
    ) -> BTreeMap<&'a str, Vec<&'a str>> {
        let mut ways: BTreeMap<&str, Vec<&str>> =
            roots.iter().map(|root| (*root, vec![*root])).collect();
        let mut open = roots.to_vec();
        while let Some(symbol) = open.pop() {
            if ends(symbol) {
                continue;
            }
            let Some(function) = self.0.get(symbol) else { continue };
            for target in &function.goes_to {
                if !ways.contains_key(target.as_str()) {
                    let mut way = ways[symbol].clone();
                    way.push(target);
                    ways.insert(target, way);
                    open.push(target);
                }
            }
        }
        ways
    }
}

/// `0000000000035aa0 <symbol>:` begins a function.
fn heading(line: &str) -> Option<(u64, &str)> {
    let (address, symbol) = line.strip_suffix(">:")?.split_once(" <")?;
    Some((u64::from_str_radix(address, 16).ok()?, symbol))
}

/// The address in `        # 116810 <_DYNAMIC+0x2e8>`.
fn slot(comment: &str) -> Option<u64> {
    let address = comment.trim_start().strip_prefix("# ")?.split(' ').next()?;
    u64::from_str_radix(address, 16).ok()
}

fn objdump(arguments: &[&str], path: &Path) -> String {
    let output =
        Command::new("objdump").args(arguments).arg(path).output().unwrap_or_else(|error| {
            panic!("objdump does not run ({error}): install binutils, `apt-get install binutils`")
        });
    assert!(output.status.success(), "objdump: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
