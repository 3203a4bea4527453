trait Search {
    #[heapledger::scoped("search")]
    fn query(&self);
}

unsafe extern "C" {
    #[heapledger::measured]
    fn query();
}

fn main() {}
