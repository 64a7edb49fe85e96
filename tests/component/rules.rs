//! Plays cases: each on both runners, and each rule's cases on a policy in which that rule is broken.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::node::Stage;
use crate::runner::Core;

/// No case needs more virtual time. A case that waits for ever ends here instead.
const CASE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// One rule, the mutant that breaks it, and the cases of which at least one must notice.
pub struct Rule {
    pub name: &'static str,
    pub mutant: &'static str,
    pub cases: &'static [&'static str],
}

/// Makes two tests of each case: one on each runner.
macro_rules! cases {
    ($($case:ident,)+) => {
        $(
            mod $case {
                use crate::{rules, runner::Core};

                #[test]
                fn on_the_native_core() {
                    rules::play(rules::stage(Core::Native), super::$case);
                }

                #[test]
                fn as_a_component() {
                    rules::play(rules::stage(Core::Component), super::$case);
                }
            }
        )+
    };
}

/// Makes tests of the cases of one rule, and two of the mutant that breaks it.
macro_rules! rule {
    ($rule:ident, $mutant:literal: $($case:ident,)+) => {
        $crate::rules::cases! { $($case,)+ }

        pub mod $rule {
            use crate::{rules, runner::Core};

            pub const RULE: rules::Rule = rules::Rule { name: stringify!($rule), mutant: $mutant, cases: &[$(stringify!($case)),+] };

            #[test]
            fn its_mutant_is_noticed_on_the_native_core() {
                assert!(noticed(Core::Native), "the mutant {} survived: {:?}", RULE.mutant, RULE.cases);
            }

            #[test]
            fn its_mutant_is_noticed_as_a_component() {
                assert!(noticed(Core::Component), "the mutant {} survived: {:?}", RULE.mutant, RULE.cases);
            }

            fn noticed(core: Core) -> bool {
                false $(|| rules::fails(rules::mutant(core, RULE.mutant), super::$case))+
            }
        }
    };
}

pub(crate) use {cases, rule};

pub fn stage(core: Core) -> Stage {
    Stage { core, node: "node-1".into() }
}

pub fn mutant(core: Core, name: &str) -> Stage {
    Stage { core, node: format!("mutant:{name}") }
}

/// Plays a case from beginning to end, in virtual time.
pub fn play<F: Future<Output = ()>>(stage: Stage, case: impl FnOnce(Stage) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let ended = runtime.block_on(async { tokio::time::timeout(CASE_MAX, case(stage)).await });
    ended.expect("the case waits for something that never comes");
}

/// Whether a case ends by an assertion.
pub fn fails<F: Future<Output = ()>>(stage: Stage, case: impl FnOnce(Stage) -> F) -> bool {
    // Nothing outlives the case: world, node and runtime are its own.
    catch_unwind(AssertUnwindSafe(|| play(stage, case))).is_err()
}
