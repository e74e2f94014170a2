//! Which options of which commands take a password without saying so. Data alone; `command.rs` reads it.

/// What an option of a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A password.
    Secret,
    /// `user:password`, of which the user stays.
    Pair(char),
    /// A password that is written together with the option: `-pX`; after a blank it is something else.
    Attached,
    /// A password, but not where it is written together with the option: `-key` is no `-k ey`.
    Apart,
    /// A password where somebody logs in.
    Login,
}

pub(super) struct Command {
    pub(super) names: &'static [&'static str],
    pub(super) options: &'static [(&'static str, Takes)],
}

/// The manuals of these commands say so; an option that takes a password from a file is not here.
pub(super) static COMMANDS: [Command; 15] = [
    Command {
        names: &["curl", "wget", "http", "https", "httpie", "xh"],
        options: &[
            ("-u", Takes::Pair(':')),
            ("--user", Takes::Pair(':')),
            ("-U", Takes::Pair(':')),
            ("--proxy-user", Takes::Pair(':')),
            ("-a", Takes::Pair(':')),
            ("--auth", Takes::Pair(':')),
            ("-E", Takes::Pair(':')),
            ("--cert", Takes::Pair(':')),
            ("-b", Takes::Pair('=')),
        ],
    },
    Command {
        names: &[
            "mysql",
            "mysqldump",
            "mysqladmin",
            "mysqlimport",
            "mysqlcheck",
            "mysqlshow",
            "mysqlsh",
            "mysqlslap",
            "mysqlbinlog",
            "mariadb",
            "mariadb-dump",
            "mariadb-admin",
            "mycli",
            "mydumper",
            "myloader",
        ],
        options: &[("-p", Takes::Attached)],
    },
    Command {
        names: &[
            "sshpass",
            "mongo",
            "mongosh",
            "mongodump",
            "mongorestore",
            "mongoimport",
            "mongoexport",
            "cqlsh",
            "beeline",
            "twine",
            "dsbulk",
            "hdbsql",
            "7z",
            "7za",
            "rar",
            "unrar",
            "jfrog",
            "jf",
        ],
        options: &[("-p", Takes::Secret)],
    },
    Command {
        names: &["exaplus"],
        options: &[("-p", Takes::Secret), ("-P", Takes::Secret)],
    },
    Command {
        names: &["aws", "databricks"],
        options: &[
            ("--sse-c-key", Takes::Secret),
            ("--string-value", Takes::Secret),
        ],
    },
    // The same letter publishes a port elsewhere.
    Command {
        names: &[
            "docker", "podman", "helm", "skopeo", "buildah", "oc", "crane", "nerdctl", "oras",
            "az", "airflow",
        ],
        options: &[("-p", Takes::Login)],
    },
    Command {
        names: &["redis-cli", "valkey-cli", "keydb-cli", "redis-benchmark"],
        options: &[("-a", Takes::Secret), ("--pass", Takes::Secret)],
    },
    Command {
        names: &[
            "sqlcmd", "bcp", "osql", "tsql", "dtexec", "zip", "unzip", "freebcp",
        ],
        options: &[("-P", Takes::Secret)],
    },
    Command {
        names: &["ldapsearch", "ldapmodify", "ldapadd", "ldapwhoami", "vsql"],
        options: &[("-w", Takes::Secret)],
    },
    Command {
        names: &["smbclient", "rpcclient"],
        options: &[("-U", Takes::Pair('%'))],
    },
    Command {
        names: &["lftp", "ncftpget", "ncftpput"],
        options: &[("-u", Takes::Pair(',')), ("-p", Takes::Secret)],
    },
    Command {
        names: &["openssl"],
        options: &[
            ("-passin", Takes::Pair(':')),
            ("-passout", Takes::Pair(':')),
            ("-pass", Takes::Pair(':')),
            ("-k", Takes::Apart),
            ("-K", Takes::Apart),
        ],
    },
    Command {
        names: &["ssh-keygen"],
        options: &[("-N", Takes::Secret), ("-P", Takes::Secret)],
    },
    Command {
        names: &["ab", "hey"],
        options: &[("-A", Takes::Pair(':')), ("-a", Takes::Pair(':'))],
    },
    Command {
        names: &["plink", "pscp", "psexec"],
        options: &[("-p", Takes::Secret), ("-pw", Takes::Secret)],
    },
];
