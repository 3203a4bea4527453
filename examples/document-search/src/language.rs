//! The language models, which tell in which language a text is written.

use std::thread;

use heapledger::{Tag, scope};
use lingua::{Language, LanguageDetector, LanguageDetectorBuilder};
use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};

use crate::error::Error;

/// Everything below belongs to this component, whichever thread does it.
static LANGUAGE_MODEL: Tag = Tag::new("language_model");

/// The languages of the models; others are reported as unknown.
pub const LANGUAGES: [Language; 4] =
    [Language::English, Language::French, Language::German, Language::Spanish];

/// The beginning of a text is enough to tell its language.
const SAMPLE_BYTES: usize = 800;

/// How much likelier the best language must be than the second.
const CERTAINTY: f64 = 0.1;

/// The models and the threads that they work on.
pub struct LanguageModels {
    detector: LanguageDetector,
    /// `lingua` hands its work to rayon. In rayon's global pool it would be
    /// booked to nobody, so it gets a pool whose threads live in the scope.
    pool: ThreadPool,
}

impl LanguageModels {
    /// Load all models.
    pub fn load(threads: usize) -> Result<Self, Error> {
        let _scope = scope!(LANGUAGE_MODEL);
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|number| format!("language-{number}"))
            .spawn_handler(|worker| {
                thread::Builder::new()
                    .name(worker.name().unwrap_or_default().to_owned())
                    .spawn(|| scope!(LANGUAGE_MODEL, worker.run()))
                    .map(drop)
            })
            .build()?;
        let detector = pool.install(|| {
            LanguageDetectorBuilder::from_languages(&LANGUAGES)
                .with_minimum_relative_distance(CERTAINTY)
                .with_preloaded_language_models()
                .build()
        });
        Ok(Self { detector, pool })
    }

    /// The language of each text, in the order of the texts.
    pub fn detect(&self, texts: &[&str]) -> Vec<Option<Language>> {
        let _scope = scope!(LANGUAGE_MODEL);
        self.pool.install(|| {
            let detect = |text: &&str| self.detector.detect_language_of(sample(text));
            texts.par_iter().map(detect).collect()
        })
    }
}

/// The first `SAMPLE_BYTES` of a text, not cutting a character.
fn sample(text: &str) -> &str {
    &text[..text.floor_char_boundary(SAMPLE_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_apart() {
        let models = LanguageModels::load(2).expect("two threads");
        let texts = [
            "The allocator keeps a record of the owner of every block of memory.",
            "Der Speicher wird freigegeben, sobald niemand ihn mehr benutzt.",
            "La mémoire est rendue dès que plus personne ne s'en sert.",
            "12345 67890",
        ];
        assert_eq!(
            models.detect(&texts),
            [Some(Language::English), Some(Language::German), Some(Language::French), None]
        );
    }

    #[test]
    fn a_sample_never_cuts_a_character() {
        let text = "é".repeat(SAMPLE_BYTES);
        assert_eq!(sample(&text).len(), SAMPLE_BYTES);
        assert_eq!(sample(&format!("x{text}")).len(), SAMPLE_BYTES - 1);
        assert_eq!(sample("short"), "short");
    }
}
