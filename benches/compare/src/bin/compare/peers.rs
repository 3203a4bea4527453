//! heapledger among its peers: what each adds, over the same jemalloc.

use heapledger_bench::Workload;
use heapledger_programs::Program;

use crate::child::{Contenders, Failure};
use crate::paired::{Candidate, EMPTY, IN_SCOPES, NO_SCOPE, Paired, geometric_mean, measure};
use crate::table::Table;

/// A contender and what it keeps of live bytes.
const CONTENDERS: [(Candidate, Keeps); 10] = [
    (EMPTY, Keeps::Nothing),
    (NO_SCOPE, Keeps::Live("of each tag, thread and the process")),
    (IN_SCOPES, Keeps::Live("of each tag, thread and the process")),
    (Candidate::peer("stats_alloc"), Keeps::Live("of the process")),
    (Candidate::peer("cap"), Keeps::Live("of the process")),
    (Candidate::peer("peak_alloc"), Keeps::Live("of the process")),
    (Candidate::peer("tracking_allocator"), Keeps::Live("of each group, by its user")),
    (
        Candidate::peer("alloc_tracker"),
        Keeps::Traffic("of a thread; negative when it frees others'"),
    ),
    (Candidate::peer("hotpath"), Keeps::Traffic("of a thread; none of a function")),
    (Candidate::peer("divan"), Keeps::Traffic("of a thread, in its own runner")),
];

/// Whether a number of the contender's says how many bytes are alive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Nothing,
    /// Live bytes, whoever frees them.
    Live(&'static str),
    /// What a thread allocated and freed, not what is alive of it.
    Traffic(&'static str),
}

impl Keeps {
    fn describe(self) -> String {
        match self {
            Self::Nothing => "–".to_owned(),
            Self::Live(what) => format!("yes: {what}"),
            Self::Traffic(what) => format!("no: {what}"),
        }
    }
}

const WORKLOADS: [(Workload, usize); 8] = [
    (Workload::Pair(16), 1),
    (Workload::Pair(64), 1),
    (Workload::Pair(256), 1),
    (Workload::Mixed, 1),
    (Workload::HandOver, 2),
    (Workload::Pair(64), 4),
    (Workload::Mixed, 4),
    (Workload::HandOver, 4),
];

fn candidates(contenders: &Contenders) -> Result<Vec<Candidate>, Failure> {
    let candidates: Vec<_> = CONTENDERS.iter().map(|(candidate, _)| *candidate).collect();
    candidates.iter().try_for_each(|candidate| contenders.prove(*candidate))?;
    Ok(candidates)
}

pub fn compare(contenders: &Contenders, rounds: usize) -> Result<(), Failure> {
    let candidates = candidates(contenders)?;
    let measured = WORKLOADS
        .iter()
        .map(|(workload, threads)| measure(contenders, &candidates, workload, *threads, rounds))
        .collect::<Result<Vec<_>, _>>()?;

    let head = WORKLOADS.iter().map(|(workload, threads)| format!("{workload} ×{threads}"));
    let head = [String::from("contender"), "keeps live bytes".into()].into_iter().chain(head);
    let mut table = Table::new("Added nanoseconds for each operation (threads behind the ×)", head);
    let bare = measured.iter().map(|it| format!("{:.1}", it[0].baseline_ns()));
    let bare_label = ["*bare jemalloc, whole time*".to_owned(), Keeps::Nothing.describe()];
    table.row(bare_label.into_iter().chain(bare));
    for (index, (candidate, keeps)) in CONTENDERS.iter().enumerate() {
        let added = |(it, workload): (&Vec<Paired>, &(_, usize))| it[index].added_ns(workload.1);
        let cells = measured.iter().zip(&WORKLOADS).map(added).map(|ns| format!("{ns:+.1}"));
        table.row([candidate.to_string(), keeps.describe()].into_iter().chain(cells));
    }
    table.print();
    verdict(&measured);
    Ok(())
}

/// Names every workload on which a peer that keeps live bytes adds less.
fn verdict(measured: &[Vec<Paired>]) {
    println!();
    for ours in [NO_SCOPE, IN_SCOPES] {
        let mut lost = Vec::new();
        for ((workload, threads), measured) in WORKLOADS.iter().zip(measured) {
            let added = |wanted: Candidate| {
                let index = CONTENDERS.iter().position(|(candidate, _)| *candidate == wanted);
                index.map_or(f64::NAN, |index| measured[index].added_ns(*threads))
            };
            for (peer, keeps) in &CONTENDERS {
                let is_peer = matches!(keeps, Keeps::Live(_)) && peer.contender != ours.contender;
                if is_peer && added(*peer) <= added(ours) {
                    lost.push(format!("{peer} on {workload} ×{threads}"));
                }
            }
        }
        match lost.as_slice() {
            [] => println!("- {ours}: adds less than every peer that keeps live bytes."),
            lost => println!("- {ours}: does not add less than {}.", lost.join(", ")),
        }
    }
}

pub fn compare_programs(contenders: &Contenders, rounds: usize) -> Result<(), Failure> {
    let candidates = candidates(contenders)?;
    let measured = Program::ALL
        .map(|program| measure(contenders, &candidates, &Workload::Program(program), 1, rounds));
    let measured = measured.into_iter().collect::<Result<Vec<_>, _>>()?;

    let head = Program::ALL.iter().map(Program::to_string);
    let head = ["contender".to_owned()].into_iter().chain(head);
    let head = head.chain(["geometric mean", "peak memory, mean"].map(str::to_owned));
    let mut table = Table::new("Wall time of real programs, as a ratio to bare jemalloc", head);
    for (index, candidate) in candidates.iter().enumerate() {
        let wall: Vec<f64> = measured.iter().map(|it| it[index].wall_ratio()).collect();
        let rss: Vec<f64> = measured.iter().map(|it| it[index].rss_ratio()).collect();
        let means = [geometric_mean(&wall), geometric_mean(&rss)];
        let cells = wall.into_iter().chain(means).map(|ratio| format!("{ratio:.2}"));
        table.row([candidate.to_string()].into_iter().chain(cells));
    }
    table.print();
    Ok(())
}
