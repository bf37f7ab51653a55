//! Exit codes of a trainer.

/// Why a trainer process ended; the code is the whole classification, whatever the message says.
///
/// The numbers follow `sysexits.h` where it has a fitting one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The target step is reached (or the trial's end is known) and the final report was written.
    Reported,
    /// The command line or environment is wrong (`EX_USAGE`).
    Usage,
    /// The data set is missing, cut or malformed, or a checkpoint belongs to another architecture (`EX_DATAERR`).
    Data,
    /// A newer attempt of the trial exists: this process must not go on.
    Fenced,
    /// The device or host ran out of memory.
    OutOfMemory,
    /// A condition that may pass: a full disk, a folder that is away (`EX_TEMPFAIL`).
    Temporary,
    /// The configuration asks for what the trainer cannot do (`EX_CONFIG`).
    Configuration,
    /// Stopped from outside (SIGTERM), after a checkpoint.
    Stopped,
    /// Any other code: a crash, a kill.
    Other(i32),
}

impl Exit {
    /// The process exit code.
    pub const fn code(self) -> i32 {
        match self {
            Self::Reported => 0,
            Self::Usage => 64,
            Self::Data => 65,
            Self::Fenced => 70,
            Self::OutOfMemory => 71,
            Self::Temporary => 75,
            Self::Configuration => 78,
            Self::Stopped => 143,
            Self::Other(code) => code,
        }
    }

    /// Reads a process exit code (a death by signal `n` is `128 + n`, as a shell and Kubernetes write it).
    pub const fn from_code(code: i32) -> Self {
        match code {
            0 => Self::Reported,
            64 => Self::Usage,
            65 => Self::Data,
            70 => Self::Fenced,
            71 => Self::OutOfMemory,
            75 => Self::Temporary,
            78 => Self::Configuration,
            143 => Self::Stopped,
            other => Self::Other(other),
        }
    }

    /// Whether another start of the same segment would end the same way, because a person has to mend something.
    pub const fn is_misconfiguration(self) -> bool {
        matches!(self, Self::Usage | Self::Data | Self::Configuration)
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn every_code_reads_back_as_itself() {
        for code in 0..=255 {
            assert_eq!(Exit::from_code(code).code(), code);
        }
    }
}
