-- What v0.5 wrote in the sandbox on 2026-03-18 with the adapters that still lie in the tree: one verified change set,
-- and one that its review rejected. Sandbox closes nothing elsewhere.

INSERT INTO cutter_governance_cut_change_set (id, target_id, run_id, scope, state, opened_utc) VALUES
    ('CCS-SBX-0001', 'SBX-FIXTURE', 'sbx-2026-03-18-01', 'sandbox', 'closed', '2026-03-18T07:42:11Z'),
    ('CCS-SBX-0002', 'SBX-FIXTURE', 'sbx-2026-03-19-01', 'sandbox', 'closed', '2026-03-19T02:05:40Z');

INSERT INTO information_unit (id, document_id, address, state, change_set_id, created_utc) VALUES
    ('SBX-FIXTURE/1', 'SBX-FIXTURE', '1', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/2', 'SBX-FIXTURE', '2', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/3', 'SBX-FIXTURE', '3', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/4', 'SBX-FIXTURE', '4', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/5', 'SBX-FIXTURE', '5', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/6', 'SBX-FIXTURE', '6', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/7', 'SBX-FIXTURE', '7', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/8', 'SBX-FIXTURE', '8', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/9', 'SBX-FIXTURE', '9', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/10', 'SBX-FIXTURE', '10', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/11', 'SBX-FIXTURE', '11', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/12', 'SBX-FIXTURE', '12', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/13', 'SBX-FIXTURE', '13', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/14', 'SBX-FIXTURE', '14', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/15', 'SBX-FIXTURE', '15', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/16', 'SBX-FIXTURE', '16', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/17', 'SBX-FIXTURE', '17', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/18', 'SBX-FIXTURE', '18', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/19', 'SBX-FIXTURE', '19', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/20', 'SBX-FIXTURE', '20', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/21', 'SBX-FIXTURE', '21', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/22', 'SBX-FIXTURE', '22', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/23', 'SBX-FIXTURE', '23', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/24', 'SBX-FIXTURE', '24', 'draft', 'CCS-SBX-0001', '2026-03-18T07:42:11Z');

INSERT INTO unit_version (unit_id, version, body, body_sha256, created_utc) VALUES
    ('SBX-FIXTURE/1', 1, 'Fixture clause one stands here so that something can be cut.', '26c7d45dbe556821d667a1d8c5d59797048ac2326ed32442997b65529f1a0761', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/2', 1, 'Fixture clause two stands here so that something can be cut.', 'e8c3ce2cbb6c0188506cbf8dabf7a7fa2e7e12d2aade022da7ec528829614fa4', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/3', 1, 'Fixture clause three stands here so that something can be cut.', 'c681b6b92c77fc5cae19e401c39de808815c3727aa1171232251df909bf1e660', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/4', 1, 'Fixture clause four stands here so that something can be cut.', '247778289230e5f9b1f47286592ceb5cea2ee6f4b475ec369c13bb24d8ae1649', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/5', 1, 'Fixture clause five stands here so that something can be cut.', 'ed07742e1ab230818e5128d6cb12791de9215ae54c4ee3c3bc7902d0cea55815', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/6', 1, 'Fixture clause six stands here so that something can be cut.', 'c7508b6893163b8d93563f54c4096f6c342a40622bb16f2db0267a1a891c7682', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/7', 1, 'Fixture clause seven stands here so that something can be cut.', '45048a2cf21931135112ff17413e348147204a5e9c2a1e1e718447708285b1e8', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/8', 1, 'Fixture clause eight stands here so that something can be cut.', '815e5846be1c57389d4d3f185276a53279c88121d45c4f0fa34910dc499ea2e7', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/9', 1, 'Fixture clause nine stands here so that something can be cut.', 'd9157b6c71184634c88abadc2effd784d64c6546f5def7493300ac06c7ec833a', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/10', 1, 'Fixture clause ten stands here so that something can be cut.', '481036c7448d81909b28cdf42ad164ccfaef9a715db033f0c7424d61f70698ae', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/11', 1, 'Fixture clause eleven stands here so that something can be cut.', '15b11aade1760520e6726480fa6610d8477a5744e163a2818c967b191ebd90b1', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/12', 1, 'Fixture clause twelve stands here so that something can be cut.', 'ae75da94d5491443b9cb8adb227354f95added6897f00370194f5bdfb084f24d', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/13', 1, 'Fixture clause thirteen stands here so that something can be cut.', '96c4062c97dc2a8d0f0bc0e57d47889288e5786b5990cbc319dd7eaf1ad23910', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/14', 1, 'Fixture clause fourteen stands here so that something can be cut.', 'b273d06de25c7d5fa80704735cdf2b69c88356a7fd25f66cbb4be654411db986', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/15', 1, 'Fixture clause fifteen stands here so that something can be cut.', 'dc70c13a636f0eab64833b93647234f165978466338dd46c7e09b33465127007', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/16', 1, 'Fixture clause sixteen stands here so that something can be cut.', 'd485320e7132c056e17c2fc96ff3fdb49b5b52d8e202835a362bcdfd5e24cd7a', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/17', 1, 'Fixture clause seventeen stands here so that something can be cut.', '9871a4f48d894e383b105ca930a923dd144a19c329e8401ff0aeb39d29b6d162', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/18', 1, 'Fixture clause eighteen stands here so that something can be cut.', 'ec4a8e6fe19f14f2f42d8166e59158dc47e39a9f1a98b9e4eff791a62e89270c', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/19', 1, 'Fixture clause nineteen stands here so that something can be cut.', '832e299c9d666cc74c38404347d3b6d17a87f44de0148a91830fefcbe7acbebb', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/20', 1, 'Fixture clause twenty stands here so that something can be cut.', '71c77229f94c9b7997bdd4b61f9c8ee98815a7310ca61785e2ca2229bf6cde1a', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/21', 1, 'Fixture clause twenty-one stands here so that something can be cut.', '6bf755654ee3f7466c4c8b592534b6b158c800ccd3fa111ba3190941b59f366c', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/22', 1, 'Fixture clause twenty-two stands here so that something can be cut.', '0ef0d0be52f93631c893e932088f90a3d440c482c0963a26c2410908ca7fbacf', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/23', 1, 'Fixture clause twenty-three stands here so that something can be cut.', '53613536b480177b73579ff8b03abf5804f6fa42f41aaafca81a0b034b054083', '2026-03-18T07:42:11Z'),
    ('SBX-FIXTURE/24', 1, 'Fixture clause twenty-four stands here so that something can be cut.', '067f834213776b4353dedb3d7b2eff9bfa32d97d89903efc630acc0fafa8de52', '2026-03-18T07:42:11Z');

INSERT INTO cutter_governance_manifest_envelope (change_set_id, manifest_sha256, units, sealed_utc) VALUES
    ('CCS-SBX-0001', '4c4f7257715f7a68e03af5ed1655b86d572e2e1d8a4f82829e7b57ddbf4f2257', 24, '2026-03-18T07:42:11Z');

INSERT INTO cutter_governance_review_decision (id, change_set_id, verdict, reviewer, decided_utc) VALUES
    ('RD-SBX-0001', 'CCS-SBX-0001', 'accept', 'operator', '2026-03-18T07:42:11Z'),
    ('RD-SBX-0002', 'CCS-SBX-0002', 'reject', 'operator', '2026-03-19T02:31:07Z');

INSERT INTO cutter_governance_verify_result (id, change_set_id, outcome, units, manifest_sha256, verified_utc) VALUES
    (1, 'CCS-SBX-0001', 'PASS', 24, '4c4f7257715f7a68e03af5ed1655b86d572e2e1d8a4f82829e7b57ddbf4f2257', '2026-03-18T07:42:11Z');

INSERT INTO cutter_governance_dot_pair_signature (change_set_id, left_sha256, right_sha256, pair_sha256) VALUES
    ('CCS-SBX-0001', 'da8a44e26a45c2f33927ead10afef6c0b5f9da1a9ec313b543a4218fd83ee3da', '4c4f7257715f7a68e03af5ed1655b86d572e2e1d8a4f82829e7b57ddbf4f2257', '71709a0287848e7f5b992b1751007b98352216ca505866b9e38af94899a4d1d9');
